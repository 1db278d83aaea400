"""The context that everything hangs off, and how calls, callbacks and frees go through it."""
from __future__ import annotations

import collections
import functools
import json
import os
from typing import Any, Callable

from ._lib import decode, encode, error_of, ffi, lib, struct

RAISED = 1  # code of a callback that raised: the exception comes back from the outermost call


class _Dead:
    """Handles that nobody has any more, and what frees them."""

    def __init__(self):
        self._waiting: collections.deque = collections.deque()
        self._closed = False

    def add(self, free: Any, ptr: Any) -> None:
        free(ptr) if self._closed else self._waiting.append((free, ptr))

    def free(self) -> None:
        while self._waiting:
            free, ptr = self._waiting.popleft()
            free(ptr)

    def close(self) -> None:
        self._closed = True
        self.free()


class Context:
    """A context of the library. One thread at a time uses it and what was made from it.

    threads    logical threads of the kernels; part of what makes runs the same
    log        called with (level, text); levels are 0 error, 1 warning, 2 info, 3 debug
    plugins    folders with more plug-ins
    """

    def __init__(self, threads: int = 0, log: Callable[[int, str], Any] | None = None, log_level: int = 2,
                 plugins: str | os.PathLike | None = None):
        self._raised: BaseException | None = None
        self._dead = _Dead()
        self._keep: list = []
        self._components: dict = {}
        out = ffi.new("modnas_ctx **")
        folder = ffi.new("char[]", encode(plugins)) if plugins else None
        opts = struct("modnas_ctx_opts", threads=threads, log_level=log_level, plugin_dir=folder)
        if log:
            opts.log_fn = self._kept("modnas_log_fn", lambda level, text, ud: log(level, decode(text)))
        status = lib.modnas_ctx_new(opts, out)
        if status:
            raise error_of(status, f"Context(threads={threads}): {decode(lib.modnas_strerror(status))}")
        self._ptr = ffi.gc(out[0], lib.modnas_ctx_free)

    def cancel(self) -> None:
        """Ask what runs to stop at its next step; from any thread, or a signal handler."""
        lib.modnas_cancel(self._ptr)

    # ---- calls -----------------------------------------------------------------------------------------------------

    def _call(self, function: Any, *args: Any) -> None:
        """A function with a status; what a callback raised inside of it comes out here."""
        self._dead.free()
        status = function(*args)
        raised, self._raised = self._raised, None
        if raised is not None and status:
            raise raised
        if status:
            raise error_of(status, decode(lib.modnas_errmsg(self._ptr)) or "")

    def _text(self, function: Any, *args: Any) -> str:
        """A function whose last argument is a text that it hands out."""
        out = ffi.new("char **")
        self._call(function, *args, out)
        return self._take(out[0])

    def _take(self, text: Any) -> str:
        try:
            return decode(text) or ""
        finally:
            lib.modnas_string_free(self._ptr, text)

    def _json(self, function: Any, *args: Any) -> Any:
        return json.loads(self._text(function, *args))

    def _own(self, ptr: Any, free: Any) -> Any:
        """A handle that is freed in time: collected on any thread, freed by the next call, which has the context."""
        dead = self._dead
        return ffi.gc(ptr, lambda ptr: dead.add(free, ptr))

    def __del__(self):
        if hasattr(self, "_dead"):
            self._dead.close()

    # ---- callbacks -------------------------------------------------------------------------------------------------

    def _guard(self, function: Callable, *args: Any) -> int:
        """Call, and say how it went as a callback does. An error of the library is passed on as it is."""
        try:
            return function(*args) or 0
        except BaseException as error:  # also KeyboardInterrupt: it goes up through the library
            self._raised = error
            status = getattr(error, "status", RAISED)
            return status if isinstance(status, int) and status < 0 else RAISED

    def _kept(self, ctype: str, function: Callable) -> Any:
        """A C function that lives as long as the context."""
        made = ffi.callback(ctype, function)
        self._keep.append(made)
        return made

    def _guarded(self, ctype: str, function: Callable) -> Any:
        return self._kept(ctype, functools.partial(self._guard, function))


_default: list[Context] = []


def default_context() -> Context:
    """The context of whatever is not told another one."""
    if not _default:
        _default.append(Context())
    return _default[0]
