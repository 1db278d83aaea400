"""Recording: values that a forward works on, and the operators (modnas/tape.h)."""
from __future__ import annotations

from typing import Any, Sequence

from ._lib import encode, ffi, lib, struct
from .context import Context


class Value:
    """What an operator gives while a forward is recorded, (N, C, H, W). +, -, *, / work with values and numbers."""

    def __init__(self, context: Context, tape: Any, ptr: Any):
        self.context, self._tape, self._ptr = context, tape, ptr

    @property
    def shape(self) -> tuple[int, int, int, int]:
        dims = ffi.new("int64_t[4]")
        self.context._call(lib.modnas_value_dims, self._tape, self._ptr, dims)
        return tuple(dims)

    @property
    def training(self) -> bool:
        """Whether a training step is recorded."""
        return bool(lib.modnas_tape_is_training(self._tape))

    def _op(self, function: Any, *args: Any) -> "Value":
        out = ffi.new("modnas_value **")
        self.context._call(function, self._tape, *args, out)
        return Value(self.context, self._tape, out[0])

    def _with(self, function: Any, other: Any, turned: bool = False) -> "Value":
        if not isinstance(other, Value):
            other = constant(self, [[[[float(other)]]]])
        a, b = (other, self) if turned else (self, other)
        return self._op(function, a._ptr, b._ptr)

    def __add__(self, other): return self._with(lib.modnas_op_add, other)
    def __sub__(self, other): return self._with(lib.modnas_op_sub, other)
    def __mul__(self, other): return self._with(lib.modnas_op_mul, other)
    def __truediv__(self, other): return self._with(lib.modnas_op_div, other)
    def __radd__(self, other): return self._with(lib.modnas_op_add, other, True)
    def __rsub__(self, other): return self._with(lib.modnas_op_sub, other, True)
    def __rmul__(self, other): return self._with(lib.modnas_op_mul, other, True)
    def __rtruediv__(self, other): return self._with(lib.modnas_op_div, other, True)


def constant(like: Value, data: Any) -> Value:
    """Numbers of four dimensions that are not trained, on the tape of another value."""
    import numpy
    array = numpy.ascontiguousarray(data, numpy.float64)
    if array.ndim != 4:
        raise ValueError(f"{array.ndim} dimensions, wanted are 4")
    return like._op(lib.modnas_op_constant, list(array.shape), ffi.from_buffer("double[]", array))


def _window(kernel=None, stride=None, pad=None, dilation=None, **more: Any) -> Any:
    pair = lambda x: None if x is None else [x, x] if isinstance(x, int) else list(x)
    if pad is not None:
        pad = [pad] * 4 if isinstance(pad, int) else [pad[0], pad[1], pad[0], pad[1]] if len(pad) == 2 else list(pad)
    return struct("modnas_window_opts", kernel=pair(kernel), stride=pair(stride), pad=pad, dilation=pair(dilation), **more)


def conv2d(x: Value, weights: Value, bias: Value | None = None, stride=None, pad=None, dilation=None, groups: int = 1) -> Value:
    return x._op(lib.modnas_op_conv2d, x._ptr, weights._ptr, bias._ptr if bias else ffi.NULL,
                 _window(stride=stride, pad=pad, dilation=dilation, groups=groups))


def linear(x: Value, weights: Value, bias: Value | None = None) -> Value:
    return x._op(lib.modnas_op_linear, x._ptr, weights._ptr, bias._ptr if bias else ffi.NULL)


def pool2d(x: Value, how: str, kernel, stride=None, pad=None, ceil_mode: bool = False, count_pad: bool = False) -> Value:
    return x._op(lib.modnas_op_pool2d, encode(how), x._ptr,
                 _window(kernel, stride, pad, ceil_mode=int(ceil_mode), count_pad=int(count_pad)))


def global_pool(x: Value, how: str = "avg") -> Value:
    return x._op(lib.modnas_op_global_pool, encode(how), x._ptr)


def activation(x: Value, name: str) -> Value:
    return x._op(lib.modnas_op_activation, encode(name), x._ptr)


def relu(x: Value) -> Value:
    return activation(x, "ReLU")


def dropout(x: Value, p: float) -> Value:
    return x._op(lib.modnas_op_dropout, x._ptr, p)


def softmax(x: Value) -> Value:
    return x._op(lib.modnas_op_softmax, x._ptr)


def log_softmax(x: Value) -> Value:
    return x._op(lib.modnas_op_log_softmax, x._ptr)


def loss(x: Value, name: str, target: Value, param: float = 0.0) -> Value:
    """A loss by PyTorch's name; param: label smoothing, or beta."""
    return x._op(lib.modnas_op_loss, encode(name), x._ptr, target._ptr, param)


def reduce(x: Value, how: str, dims: Sequence[int]) -> Value:
    """"sum" or "mean" over the axes where dims is 1."""
    return x._op(lib.modnas_op_reduce, encode(how), x._ptr, list(dims))


def affine(x: Value, alpha: float = 1.0, beta: float = 0.0) -> Value:
    return x._op(lib.modnas_op_affine, x._ptr, alpha, beta)


def concat(values: Sequence[Value], axis: int = 1) -> Value:
    return values[0]._op(lib.modnas_op_concat, [v._ptr for v in values], len(values), axis)


def split(x: Value, sizes: int | Sequence[int], axis: int = 1) -> list[Value]:
    """Into so many equal parts, or into parts of these sizes."""
    n = sizes if isinstance(sizes, int) else len(sizes)
    out = ffi.new("modnas_value *[]", n)
    x.context._call(lib.modnas_op_split, x._tape, x._ptr, axis, ffi.NULL if isinstance(sizes, int) else list(sizes), n, out)
    return [Value(x.context, x._tape, out[i]) for i in range(n)]


def slice(x: Value, start: Sequence[int], count: Sequence[int], step: Sequence[int] | None = None) -> Value:
    return x._op(lib.modnas_op_slice, x._ptr, list(start), ffi.NULL if step is None else list(step), list(count))


def pad(x: Value, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Value:
    return x._op(lib.modnas_op_pad, x._ptr, list(before), list(after), value)


def reshape(x: Value, dims: Sequence[int]) -> Value:
    return x._op(lib.modnas_op_reshape, x._ptr, list(dims))


def shuffle(x: Value, groups: int) -> Value:
    return x._op(lib.modnas_op_shuffle, x._ptr, groups)
