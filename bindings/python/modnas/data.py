"""Data of the caller's, under a name that configurations use."""
from __future__ import annotations

from typing import Any, Iterable

import numpy

from ._lib import encode, ffi, lib, struct
from .context import Context, default_context
from .model import array_of


def register_data(name: str, data: Any, n_classes: int | None = None, thread_safe: bool = False, context: Context | None = None) -> None:
    """Make data known: `train_data: NAME` in a configuration then uses them.

    data       (images, labels): arrays (N, C, H, W) and (N,);
               or what has a length and gives (image, label) by number, as PyTorch's data sets do: it is asked again each epoch;
               or any iterable of (image, label) or of batches, as a PyTorch DataLoader: it is read once, into memory
    n_classes  default: the largest label and one
    thread_safe  data may be asked for by another thread, ahead of need
    """
    ctx = context or default_context()
    if not (isinstance(data, tuple) and len(data) == 2) and not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        data = _gathered(data)
    if isinstance(data, tuple) and len(data) == 2:
        data = Arrays(*data)
    image = array_of(data[0][0])
    if image.ndim != 3:
        raise ValueError(f"an image has {image.ndim} dimensions, wanted are 3: channels, height, width")
    if n_classes is None:
        n_classes = len(data.classes) if hasattr(data, "classes") else 1 + max(int(data[i][1]) for i in range(len(data)))
    size, shape = image.nbytes, image.shape

    def sample(index: int, dst: Any, label: Any, ud: Any) -> None:
        x, y = data[index]
        x = array_of(x)
        if x.shape != shape:
            raise ValueError(f"{name}: image {index} is {x.shape}, the first one is {shape}")
        ffi.memmove(dst, ffi.from_buffer("float[]", x), size)
        label[0] = int(y)

    source = struct("modnas_data_source", n=len(data), dims=list(shape), n_classes=n_classes, thread_safe=int(thread_safe),
                    sample=ctx._guarded("modnas_sample_fn", sample))
    ctx._call(lib.modnas_data_register, ctx._ptr, encode(name), source)


class Arrays:
    """Images and labels side by side."""

    def __init__(self, images: Any, labels: Any):
        self.images, self.labels = array_of(images), numpy.asarray(labels).astype(numpy.int64).ravel()
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images, {len(self.labels)} labels")
        if not len(self.images):
            raise ValueError("there is no image")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[numpy.ndarray, int]:
        return self.images[i], int(self.labels[i])


def _gathered(pairs: Iterable) -> tuple[numpy.ndarray, numpy.ndarray]:
    images, labels = [], []
    for x, y in pairs:
        x = array_of(x)
        images.append(x if x.ndim == 4 else x[None])
        labels.append(numpy.asarray(y).ravel())
    if not images:
        raise ValueError("there is no image")
    return numpy.concatenate(images), numpy.concatenate(labels)
