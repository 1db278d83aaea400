"""The shared library: found, opened with the declarations of cdef.h, its statuses turned into exceptions."""
from __future__ import annotations

import ctypes.util
import os
import pathlib
from typing import Any

import cffi

ffi = cffi.FFI()
ffi.cdef(pathlib.Path(__file__).with_name("cdef.h").read_text(encoding="utf-8"))


def _open() -> Any:
    """$MODNAS_LIBRARY, else where the system's loader finds libmodnas."""
    named = os.environ.get("MODNAS_LIBRARY")
    names = [named] if named else ["libmodnas.so.0", "libmodnas.so", ctypes.util.find_library("modnas")]
    why: list[str] = []
    for name in filter(None, names):
        try:
            return ffi.dlopen(name)
        except OSError as error:
            why.append(str(error))
    raise ImportError(f"libmodnas cannot be opened; MODNAS_LIBRARY=/path/to/libmodnas.so names it\n{chr(10).join(why)}")


lib = _open()
__version__: str = ffi.string(lib.modnas_version()).decode()


class Error(Exception):
    """What the library refuses. `status` is its code (modnas/status.h), `name` that code's name."""

    def __init__(self, status: int, text: str):
        super().__init__(text or f"{STATUS.get(status, status)}: {ffi.string(lib.modnas_strerror(status)).decode()}")
        self.status = status
        self.name = STATUS.get(status, str(status))


class ConfigError(Error, ValueError):
    """A configuration, or an argument of a component, is wrong: file:line is in the text."""


class NotFoundError(Error, LookupError):
    """No such file, component, section or tensor."""


class ArgumentError(Error, ValueError):
    """An argument is out of range, or shapes do not fit."""


class Canceled(Error):
    """modnas.Context.cancel was called."""


STATUS = {value: name for value, name in ffi.typeof("enum modnas_status").elements.items() if value < 1}
_CLASSES = {lib.MODNAS_ECONFIG: ConfigError, lib.MODNAS_ENOTFOUND: NotFoundError, lib.MODNAS_ECANCELED: Canceled,
            lib.MODNAS_EINVAL: ArgumentError, lib.MODNAS_ESHAPE: ArgumentError}


def error_of(status: int, text: str) -> Error:
    return _CLASSES.get(status, Error)(status, text)


def encode(text: Any) -> Any:
    """bytes for a `const char *`, NULL for None."""
    return ffi.NULL if text is None else os.fsencode(text)


def decode(text: Any) -> str | None:
    return None if text == ffi.NULL else ffi.string(text).decode("utf-8", "replace")


def struct(name: str, /, **fields: Any) -> Any:
    """A struct of the library with its size set; fields that are None stay zero."""
    made = ffi.new(name + " *")
    made.size = ffi.sizeof(name)
    for key, value in fields.items():
        if value is not None:
            setattr(made, key, value)
    return made
