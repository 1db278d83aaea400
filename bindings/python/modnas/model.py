"""Models and the tree of modules that they are made of (modnas/model.h, modnas/module.h)."""
from __future__ import annotations

import json
import os
from typing import Any, Iterator, Mapping

import numpy

from ._lib import decode, encode, ffi, lib, struct
from .config import config_of
from .context import Context
from .tape import Value


def yaml_of(spec: Any) -> Any:
    """A component's spec, or its args, as the library reads it: text as it is, anything else as JSON."""
    return ffi.NULL if spec is None else encode(spec if isinstance(spec, str) else json.dumps(spec))


class Module:
    """A module of a model: borrowed, as long as the model lives. Calling it records it (inside of a forward)."""

    def __init__(self, context: Context, ptr: Any):
        self.context, self._ptr = context, ptr

    @property
    def name(self) -> str:
        return decode(lib.modnas_module_name(self._ptr)) or ""

    @property
    def model(self) -> "Model":
        return Model(context=self.context, ptr=lib.modnas_module_model(self._ptr))

    @property
    def parent(self) -> "Module | None":
        ptr = lib.modnas_module_parent(self._ptr)
        return Module(self.context, ptr) if ptr else None

    def __getitem__(self, name: str) -> "Module":
        """A child, or one further down: "layer1.0.conv1"."""
        ptr = lib.modnas_module_child(self._ptr, encode(name))
        if not ptr:
            raise KeyError(f"{self.name or 'the root'} has no module {name}")
        return Module(self.context, ptr)

    def __len__(self) -> int:
        return lib.modnas_module_n_children(self._ptr)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator["Module"]:
        return (Module(self.context, lib.modnas_module_child_at(self._ptr, i)) for i in range(len(self)))

    def add(self, name: str, type: str, args: Any = None, **more: Any) -> "Module":
        """A layer (`modnas.components("layer")`) or a Slot, with arguments by name."""
        if more:
            args = {**(args or {}), **more}
        out = ffi.new("modnas_module **")
        self.context._call(lib.modnas_module_add, self._ptr, encode(name), encode(type), yaml_of(args), out)
        return Module(self.context, out[0])

    def param(self, name: str, dims: tuple[int, ...], init: str = "zeros", bound: float = 0.0) -> None:
        """A parameter that is trained and saved; init: zeros, ones, uniform or normal."""
        kind = getattr(lib, f"MODNAS_INIT_{init.upper()}")
        self.context._call(lib.modnas_module_param, self._ptr, encode(name), list(dims), len(dims), kind, bound)

    def value(self, x: Value, name: str) -> Value:
        """A parameter's value, on the tape of x."""
        return x._op(lib.modnas_op_param, self._ptr, encode(name))

    def __call__(self, *values: Value) -> Value:
        out = ffi.new("modnas_value **")
        tape = values[0]._tape
        self.context._call(lib.modnas_forward_n, self._ptr, tape, [v._ptr for v in values], len(values), out)
        return Value(self.context, tape, out[0])

    @property
    def slot(self) -> dict:
        """The Slot that this is, or stands in: name, chn_in, chn_out, stride, kwargs, filled."""
        info = struct("modnas_slot_info")
        self.context._call(lib.modnas_module_slot, self._ptr, info)
        return {"name": decode(info.name), "chn_in": info.chn_in, "chn_out": info.chn_out, "stride": info.stride,
                "kwargs": json.loads(decode(info.kwargs) or "{}"), "filled": bool(info.filled)}

    def fill(self, candidate: Any = None) -> None:
        """Fill a Slot with a candidate; None: the backbone's own operator."""
        self.context._call(lib.modnas_slot_fill, self._ptr, yaml_of(candidate))

    def mix(self, spec: Mapping | str) -> None:
        """Fill a Slot with a mixed op, {"type": ..., "candidates": [...]}."""
        self.context._call(lib.modnas_slot_mix, self._ptr, yaml_of(spec))


class Model:
    """Model("net.yaml"): the model of a configuration, with weights."""

    def __init__(self, *config: Any, context: Context | None = None, ptr: Any = None, owner: Any = None):
        self._owner = owner
        if ptr is not None:
            assert context is not None
            self.context, self._ptr = context, ptr
            return
        cfg = config_of(config[0], context)
        for more in config[1:]:
            cfg.add(more)
        self.context = cfg.context
        out = ffi.new("modnas_model **")
        self.context._call(lib.modnas_model_new, cfg._ptr, out)
        self._ptr = self.context._own(out[0], lib.modnas_model_free)

    @classmethod
    def derive(cls, config: Any, calibrate: str | None = None, n_batches: int = 0, context: Context | None = None) -> "Model":
        """The network found in a supernet, with its weights (modnas_model_derive)."""
        cfg = config_of(config, context)
        how = ffi.new("char[]", encode(calibrate)) if calibrate else None
        opts = struct("modnas_export_opts", calibrate=how, n_batches=n_batches)
        out = ffi.new("modnas_model **")
        cfg.context._call(lib.modnas_model_derive, cfg._ptr, opts, out)
        return cls(context=cfg.context, ptr=cfg.context._own(out[0], lib.modnas_model_free))

    @property
    def root(self) -> Module:
        return Module(self.context, lib.modnas_model_root(self._ptr))

    @property
    def slots(self) -> list[Module]:
        return [Module(self.context, lib.modnas_model_slot(self._ptr, i)) for i in range(lib.modnas_model_n_slots(self._ptr))]

    @property
    def input(self) -> tuple[int, int, int]:
        chw = ffi.new("int32_t[3]")
        self.context._call(lib.modnas_model_input, self._ptr, chw)
        return tuple(chw)

    def set_input(self, channels: int, height: int, width: int) -> None:
        self.context._call(lib.modnas_model_set_input, self._ptr, channels, height, width)

    def set_classes(self, n: int) -> None:
        self.context._call(lib.modnas_model_set_classes, self._ptr, n)

    @property
    def n_classes(self) -> int:
        return lib.modnas_model_n_classes(self._ptr)

    @property
    def n_params(self) -> int:
        return lib.modnas_model_n_params(self._ptr)

    @property
    def macs(self) -> int:
        out = ffi.new("int64_t *")
        self.context._call(lib.modnas_model_macs, self._ptr, out)
        return out[0]

    def __call__(self, images: Any) -> numpy.ndarray:
        """Evaluate images (N, C, H, W): logits (N, classes). Any array that NumPy takes, by DLPack or buffer."""
        x = array_of(images)
        if x.shape[1:] != self.input:
            raise ValueError(f"images are {x.shape[1:]}, the model takes {self.input}")
        logits = numpy.empty((len(x), self.n_classes), numpy.float32)
        self.context._call(lib.modnas_model_forward, self._ptr, ffi.from_buffer("float[]", x), len(x),
                           ffi.from_buffer("float[]", logits, require_writable=True))
        return logits

    # ---- tensors -----------------------------------------------------------------------------------------------

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names of all tensors, with their shapes."""
        found, info = {}, struct("modnas_tensor_info")
        for i in range(lib.modnas_model_n_tensors(self._ptr)):
            self.context._call(lib.modnas_model_tensor, self._ptr, i, info)
            found[decode(info.name)] = tuple(info.dims[0:info.n_dims])
        return found

    def get(self, name: str) -> numpy.ndarray:
        """A copy of a tensor."""
        shape = self._shape(name)
        data = numpy.empty(shape, numpy.float32)
        self.context._call(lib.modnas_model_get, self._ptr, encode(name),
                           ffi.from_buffer("float[]", data, require_writable=True), data.size)
        return data

    def set(self, name: str, data: Any) -> None:
        x = array_of(data)
        if x.shape != self._shape(name):
            raise ValueError(f"{name} is {self._shape(name)}, not {x.shape}")
        self.context._call(lib.modnas_model_set, self._ptr, encode(name), ffi.from_buffer("float[]", x), x.size)

    def _shape(self, name: str) -> tuple[int, ...]:
        tensors = self.tensors
        if name not in tensors:
            raise KeyError(f"the model has no tensor {name}")
        return tensors[name]

    def state_dict(self) -> dict[str, numpy.ndarray]:
        return {name: self.get(name) for name in self.tensors}

    def save(self, path: str | os.PathLike) -> None:
        self.context._call(lib.modnas_model_save, self._ptr, encode(path))

    def load(self, path: str | os.PathLike, partial: bool = False) -> None:
        self.context._call(lib.modnas_model_load, self._ptr, encode(path), int(partial))

    def export_onnx(self, path: str | os.PathLike, opset: int = 0, batch: int = 0, keep_batch_norm: bool = False,
                    custom_ops: bool = False, channels_last: bool = False) -> None:
        opts = struct("modnas_onnx_opts", opset=opset, batch=batch, keep_batch_norm=int(keep_batch_norm),
                      custom_ops=int(custom_ops), channels_last=int(channels_last))
        self.context._call(lib.modnas_model_export_onnx, self._ptr, opts, encode(path))


def array_of(data: Any) -> numpy.ndarray:
    """float32 in plain order; what speaks DLPack is not copied if it is that already."""
    if hasattr(data, "__dlpack__") and not isinstance(data, numpy.ndarray):
        data = numpy.from_dlpack(data.detach() if hasattr(data, "detach") else data)
    return numpy.ascontiguousarray(data, numpy.float32)
