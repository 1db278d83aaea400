"""Components written in Python: @register makes a class one of the library's, by name.

    @modnas.register
    class Net:                      # kind "model": a backbone
        "one line for lists"
        def __init__(self, width=16): ...              # arguments, as a configuration gives them
        def build(self, m): m.add("stem", "ConvBNAct", in_channels=1, out_channels=self.width)
        def forward(self, m, x): return m["stem"](x)

    kind        methods
    model       build(module), forward(module, *values) -> Value: backbones; candidate and layer are alike
    construct   run(model)
    optim       setup(model), ask(archs) -> how many were filled in, tell(arch, metrics, status); save() -> bytes, load(bytes)
    estim       run(search); save(search) -> bytes, load(search, bytes)
    metrics     measure(search, arch) -> float
    criterion   loss(logits, target) -> Value
    export      run(model, arch) -> YAML text
"""
from __future__ import annotations

import inspect
import json
from typing import Any, Callable

from ._lib import encode, ffi, lib, struct
from .context import Context, default_context
from .model import Model, Module
from .search import Arch, Search, metrics_of
from .tape import Value

MODULE_KINDS = ("model", "candidate", "layer")


def register(cls: Any = None, *, kind: str = "model", name: str | None = None, context: Context | None = None) -> Any:
    """Register a class under its name, or another one. Its __init__ says which arguments there are, with their defaults."""
    def decorate(cls: type) -> type:
        component = Component(cls, kind, context or default_context())
        component.register(name or cls.__name__)
        return cls
    return decorate if cls is None else decorate(cls)


class Component:
    """The table of functions of a class, for the library."""

    def __init__(self, cls: type, kind: str, context: Context):
        self.cls, self.kind, self.context = cls, kind, context
        self.made: dict = {}  # instances, by what the library calls them with
        self.states: dict = {}  # what load gave an estimator that is not there yet
        self.last: Any = None

    def register(self, name: str) -> None:
        tables = {"construct": self._construct, "optim": self._optim, "estim": self._estim, "metrics": self._metrics,
                  "criterion": self._criterion, "export": self._export}
        self.vt = tables.get(self.kind, self._module)()
        texts = [ffi.new("char[]", encode(t)) for t in (self.kind, name, (inspect.getdoc(self.cls) or "").partition("\n")[0], self._args())]
        c = struct("modnas_component", kind=texts[0], name=texts[1], text=texts[2], args=texts[3], vt=self.vt)
        self.context._call(lib.modnas_registry_register, self.context._ptr, c)
        self.context._keep.append(self)

    def _args(self) -> str:
        """The arguments of __init__ as a map with their defaults."""
        if self.cls.__init__ is object.__init__:
            return "{}"
        parameters = list(inspect.signature(self.cls.__init__).parameters.values())[1:]
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                raise TypeError(f"{self.cls.__name__}.__init__: {p} has no name that a configuration could use")
        return json.dumps({p.name: None if p.default is p.empty else p.default for p in parameters})

    def _new(self, args: Any) -> Any:
        """An instance with the arguments of the configuration."""
        given = self.context._json(lib.modnas_args_json, args, ffi.NULL) if args else {}
        return self.cls(**given)

    def _one(self, args: Any) -> Any:
        """An instance for what is called without being made first: one for each set of arguments."""
        key = self.context._text(lib.modnas_args_json, args, ffi.NULL) if args else "{}"
        if key not in self.made:
            self.made[key] = self._new(args)
        return self.made[key]

    def _table(self, ctype: str, **functions: Callable | None) -> Any:
        """A vt whose functions run guarded. None: not there."""
        vt = struct(ctype)
        fields = dict(ffi.typeof(ctype).fields)
        for field, function in functions.items():
            if function:
                setattr(vt, field, self.context._guarded(fields[field].type, function))
        return vt

    def _has(self, *names: str) -> bool:
        return all(hasattr(self.cls, name) for name in names)

    # ---- kinds ---------------------------------------------------------------------------------------------------

    def _module(self) -> Any:
        def build(m: Any, args: Any, ud: Any) -> None:
            self.made[m] = made = self._new(args)
            if hasattr(made, "build"):
                made.build(Module(self.context, m))

        def forward(m: Any, tape: Any, src: Any, n: int, dst: Any, ud: Any) -> None:
            values = [Value(self.context, tape, src[i]) for i in range(n)]
            dst[0] = self.made[m].forward(Module(self.context, m), *values)._ptr
        return self._table("modnas_module_vt", build=build, forward=forward if self._has("forward") else None)

    def _construct(self) -> Any:
        def run(model: Any, args: Any, ud: Any) -> None:
            self._new(args).run(Model(context=self.context, ptr=model))
        vt = self._table("modnas_construct_vt", run=run)
        vt.after_commit = int(getattr(self.cls, "after_commit", False))
        return vt

    def _optim(self) -> Any:
        def create(model: Any, args: Any, state: Any, ud: Any) -> None:
            made = self._new(args)
            handle = ffi.new_handle(made)
            self.made[handle] = made
            state[0] = handle
            if hasattr(made, "setup"):
                made.setup(Model(context=self.context, ptr=model))

        def ask(state: Any, archs: Any, n: int, n_out: Any, ud: Any) -> None:
            filled = ffi.from_handle(state).ask([Arch(self.context, archs[i], owned=False) for i in range(n)])
            n_out[0] = n if filled is None else filled

        def tell(state: Any, arch: Any, status: int, metrics: Any, n: int, ud: Any) -> None:
            ffi.from_handle(state).tell(Arch(self.context, ffi.cast("modnas_arch *", arch), owned=False),
                                        metrics_of(metrics, n) if n else None, status)

        def destroy(state: Any, ud: Any) -> None:
            self.made.pop(state, None)

        saves = self._has("save", "load")
        vt = self._table("modnas_optim_vt", create=create, ask=ask, tell=tell if self._has("tell") else None,
                         save=(lambda s, out, ud: self._add(out, ffi.from_handle(s).save())) if saves else None,
                         load=(lambda s, data, n, ud: ffi.from_handle(s).load(bytes(ffi.buffer(data, n))) and None) if saves else None)
        vt.destroy = self.context._kept("void(void *, void *)", destroy)
        return vt

    def _add(self, out: Any, data: bytes) -> None:
        self.context._call(lib.modnas_state_add, out, ffi.from_buffer(data), len(data))

    @staticmethod
    def _key(ptr: Any) -> int:
        return int(ffi.cast("uintptr_t", ptr))

    def _search(self, ptr: Any) -> Search:
        return Search(context=self.context, ptr=ptr)

    def _estim(self) -> Any:
        def run(search: Any, args: Any, ud: Any) -> None:
            key = self._key(search)
            self.made[key] = made = self._new(args)
            if key in self.states:
                made.load(self._search(search), self.states.pop(key))
            try:
                made.run(self._search(search))
            finally:
                del self.made[key]

        def save(search: Any, out: Any, ud: Any) -> None:
            made = self.made.get(self._key(search))
            self._add(out, made.save(self._search(search)) if made else b"")

        def load(search: Any, data: Any, n: int, ud: Any) -> None:
            self.states[self._key(search)] = bytes(ffi.buffer(data, n))

        saves = self._has("save", "load")
        return self._table("modnas_estim_vt", run=run, save=save if saves else None, load=load if saves else None)

    def _metrics(self) -> Any:
        def measure(search: Any, arch: Any, args: Any, value: Any, ud: Any) -> None:
            a = Arch(self.context, ffi.cast("modnas_arch *", arch), owned=False)
            value[0] = float(self._one(args).measure(self._search(search), a))
        return self._table("modnas_metrics_vt", measure=measure)

    def _criterion(self) -> Any:
        def loss(tape: Any, logits: Any, target: Any, args: Any, out: Any, ud: Any) -> None:
            values = [Value(self.context, tape, v) for v in (logits, target)]
            out[0] = self._one(args).loss(*values)._ptr
        return self._table("modnas_criterion_vt", loss=loss)

    def _export(self) -> Any:
        def run(model: Any, arch: Any, args: Any, yaml: Any, ud: Any) -> None:
            a = Arch(self.context, ffi.cast("modnas_arch *", arch), owned=False)
            text = self._one(args).run(Model(context=self.context, ptr=model), a)
            self.last = ffi.new("char[]", encode(text if isinstance(text, str) else json.dumps(text)))
            yaml[0] = self.last
        return self._table("modnas_export_vt", run=run)
