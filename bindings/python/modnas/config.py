"""Configurations, and what is asked of one without searching."""
from __future__ import annotations

import json
import os
from typing import Any, Iterable, Mapping

from ._lib import encode, ffi, lib, struct
from .context import Context, default_context

Source = "str | os.PathLike | Mapping | Config"


class Config:
    """YAML files, texts, dicts and overrides, merged in this order.

    Config("search.yaml", {"seed": 3}, override=["estim.search.epochs=2"])

    A str with a line end or a ':' followed by a blank is YAML text, any other one a file.
    """

    def __init__(self, *sources: Any, override: Iterable[str] = (), context: Context | None = None):
        self.context = context or default_context()
        out = ffi.new("modnas_config **")
        self.context._call(lib.modnas_config_new, self.context._ptr, out)
        self._ptr = self.context._own(out[0], lib.modnas_config_free)
        for source in sources:
            self.add(source)
        for assignment in override:
            self.override(assignment)

    def add(self, source: Any, name: str = "text") -> "Config":
        """A later source wins over earlier ones: maps merge, lists concatenate, scalars replace."""
        if isinstance(source, Mapping):
            source = json.dumps(source) + "\n"
        if isinstance(source, str) and ("\n" in source or ": " in source):
            data = source.encode()
            self.context._call(lib.modnas_config_add_text, self._ptr, data, len(data), encode(name))
        else:
            self.context._call(lib.modnas_config_add_file, self._ptr, encode(source))
        return self

    def set(self, key: str, value: Any) -> "Config":
        """As a flag does: over files, under overrides."""
        self.context._call(lib.modnas_config_set, self._ptr, encode(key), encode(value if isinstance(value, str) else json.dumps(value)))
        return self

    def override(self, assignment: str) -> "Config":
        """"a.b.c=value", over everything else."""
        self.context._call(lib.modnas_config_override, self._ptr, encode(assignment))
        return self

    def check(self) -> "Config":
        self.context._call(lib.modnas_config_check, self._ptr)
        return self

    def resolved(self) -> dict:
        """The merged configuration, checked."""
        return self.context._json(lib.modnas_config_json, self._ptr)

    def describe(self, input: tuple[int, int, int] | None = None, batch: int = 0) -> dict:
        """Counts, Slots, size of the space, memory (modnas_describe)."""
        return self.context._json(lib.modnas_describe, self._ptr, struct("modnas_describe_opts", input=input, batch=batch))

    def dot(self, input: tuple[int, int, int] | None = None) -> str:
        """The network as a picture, in the language of Graphviz (modnas_describe_dot)."""
        return self.context._text(lib.modnas_describe_dot, self._ptr, struct("modnas_describe_opts", input=input))

    def profile(self, input: tuple[int, int, int] | None = None, batch: int = 0, runs: int = 0,
                measured: str | os.PathLike | None = None) -> str:
        """The table of what each candidate takes (modnas_profile), as text with tabs."""
        path = ffi.new("char[]", encode(measured)) if measured else None
        opts = struct("modnas_profile_opts", input=input, batch=batch, runs=runs, measured=path)
        return self.context._text(lib.modnas_profile, self._ptr, opts)

    def export(self, path: str | os.PathLike, calibrate: str | None = None, n_batches: int = 0) -> str:
        """Write the network found with its weights, .onnx or .safetensors (modnas_export); what was written, as lines."""
        how = ffi.new("char[]", encode(calibrate)) if calibrate else None
        opts = struct("modnas_export_opts", calibrate=how, n_batches=n_batches)
        return self.context._text(lib.modnas_export, self._ptr, opts, encode(path))


def config_of(source: Any, context: Context | None) -> Config:
    return source if isinstance(source, Config) else Config(source, context=context)
