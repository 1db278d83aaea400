"""What there is, and what files hold: lists, devices, inspection, reports, bundles."""
from __future__ import annotations

import json
import os
from typing import Any, Iterable

from ._lib import encode, ffi, lib, struct
from .context import Context, default_context


def components(kind: str | None = None, context: Context | None = None) -> list[dict]:
    """Every registered component, with its arguments."""
    ctx = context or default_context()
    return ctx._json(lib.modnas_list_json, ctx._ptr, encode(kind))


def devices(context: Context | None = None) -> list[dict]:
    """Backends that can be opened here, or why not."""
    ctx = context or default_context()
    return ctx._json(lib.modnas_devices_json, ctx._ptr)


def inspect(path: str | os.PathLike, type: str | None = None, context: Context | None = None) -> dict:
    """What a file is, or why it is bad: "valid" says which."""
    ctx = context or default_context()
    text = ffi.new("char[]", encode(type)) if type else None
    opts, valid = struct("modnas_inspect_opts"), ffi.NULL
    if text is not None:
        setattr(opts, "as", text)
    out = ffi.new("char **")
    ctx._call(lib.modnas_inspect_json, ctx._ptr, encode(path), opts, out, valid)
    return json.loads(ctx._take(out[0]))


def report(folder: str | os.PathLike, latency_table: str | os.PathLike | None = None, context: Context | None = None) -> str:
    """The report of a run's folder, as HTML."""
    ctx = context or default_context()
    table = ffi.new("char[]", encode(latency_table)) if latency_table else None
    return ctx._text(lib.modnas_report, ctx._ptr, encode(folder), struct("modnas_report_opts", latency_table=table))


def bundle(folder: str | os.PathLike, estim: str | None = None, out: str | os.PathLike | None = None, context: Context | None = None) -> None:
    """A bundle of what a run states, with all that it takes to measure it again."""
    ctx = context or default_context()
    texts = [ffi.new("char[]", encode(t)) if t else None for t in (estim, out)]
    ctx._call(lib.modnas_bundle, ctx._ptr, encode(folder), struct("modnas_bundle_opts", estim=texts[0], out=texts[1]))


def verify(folder: str | os.PathLike, override: Iterable[str] = (), context: Context | None = None) -> dict:
    """Does a bundle hold what it states? "holds" says so, "statements" one by one."""
    ctx = context or default_context()
    texts: list[Any] = [ffi.new("char[]", encode(t)) for t in override]
    array = ffi.new("char *[]", texts + [ffi.NULL]) if texts else None
    opts = struct("modnas_verify_opts")
    if array is not None:
        opts.overrides = ffi.cast("const char *const *", array)
    out = ffi.new("char **")
    ctx._call(lib.modnas_verify_json, ctx._ptr, encode(folder), opts, out, ffi.NULL)
    return json.loads(ctx._take(out[0]))
