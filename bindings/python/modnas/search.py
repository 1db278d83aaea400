"""Searches, driven by the library (run) or by the caller (ask, train, evaluate, tell), and architectures."""
from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, Callable, Iterator, Mapping

from ._lib import decode, encode, ffi, lib, struct
from .config import Config, config_of
from .context import Context
from .model import Model

MAX_METRICS = 64


class Arch:
    """An architecture: options by name, arch["c_0"] = "MB3E6". None: open."""

    def __init__(self, context: Context, ptr: Any, owned: bool = True, owner: Any = None):
        self.context, self._owner = context, owner
        self._ptr = context._own(ptr, lib.modnas_arch_free) if owned else ptr

    def copy(self) -> "Arch":
        out = ffi.new("modnas_arch **")
        self.context._call(lib.modnas_arch_copy, self._ptr, out)
        return Arch(self.context, out[0])

    def __len__(self) -> int:
        return lib.modnas_arch_n(self._ptr)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return (decode(lib.modnas_arch_name(self._ptr, i)) or "" for i in range(len(self)))

    def options(self, name: str | int) -> list[str]:
        i = self._index(name)
        return [decode(lib.modnas_arch_option(self._ptr, i, k)) or "" for k in range(lib.modnas_arch_n_options(self._ptr, i))]

    def __getitem__(self, name: str | int) -> str | None:
        i = self._index(name)
        return decode(lib.modnas_arch_option(self._ptr, i, lib.modnas_arch_get(self._ptr, i)))

    def __setitem__(self, name: str | int, option: str | int | None) -> None:
        i = self._index(name)
        if isinstance(option, str):
            options = self.options(i)
            if option not in options:
                raise ValueError(f"{name} has the options {', '.join(options)}, not {option}")
            option = options.index(option)
        self.context._call(lib.modnas_arch_set, self._ptr, i, lib.MODNAS_OPEN if option is None else option)

    def _index(self, name: str | int) -> int:
        if isinstance(name, int) and 0 <= name < len(self):
            return name
        for i, own in enumerate(self):
            if own == name:
                return i
        raise KeyError(f"the architecture has no parameter {name}")

    def as_dict(self) -> dict[str, str | None]:
        return self.context._json(lib.modnas_arch_json, self._ptr)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arch) and self.as_dict() == other.as_dict()

    __hash__ = None  # it can be changed

    def __repr__(self) -> str:
        return f"Arch({json.dumps(self.as_dict())})"


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run is (modnas_progress). NaN where a number does not apply."""
    estim: str
    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    acc_top1: float
    lr: float
    seconds: float
    seconds_left: float


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One evaluation, as it is recorded (modnas_evaluation)."""
    estim: str
    index: int
    arch: Arch
    desc: Any
    metrics: dict[str, float]
    status: int
    is_best: bool
    score: float


def _progress_of(p: Any) -> Progress:
    return Progress(decode(p.estim) or "", decode(p.phase) or "", p.epoch, p.epochs, p.step, p.steps, p.loss, p.acc_top1, p.lr,
                    p.seconds, p.seconds_left)


def metrics_of(metrics: Any, n: int) -> dict[str, float]:
    return {decode(metrics[i].name) or "": metrics[i].value for i in range(n)}


def _evaluation_of(context: Context, e: Any) -> Evaluation:
    arch = Arch(context, ffi.cast("modnas_arch *", e.arch), owned=False).copy()
    return Evaluation(decode(e.estim) or "", e.index, arch, json.loads(decode(e.desc) or "null"), metrics_of(e.metrics, e.n_metrics),
                      e.status, bool(e.is_best), e.score)


def metric_array(metrics: Any) -> tuple[Any, list]:
    """C metrics of a dict or a number, with what keeps their names alive."""
    if not isinstance(metrics, Mapping):
        metrics = {"score": metrics}
    names = [ffi.new("char[]", encode(name)) for name in metrics]
    made = ffi.new("modnas_metric[]", len(names))
    for to, name, value in zip(made, names, metrics.values()):
        to.name, to.value = name, float(value)
    return made, names


class Search:
    """A search: Search("search.yaml").run(), or a loop of one's own.

    progress(Progress) after every step, evaluated(Evaluation) after every evaluation, epoch_done(Progress): what they
    raise stops the search and comes out of the call.
    """

    def __init__(self, config: Any = None, estim: str | None = None, progress: Callable[[Progress], Any] | None = None,
                 evaluated: Callable[[Evaluation], Any] | None = None, epoch_done: Callable[[Progress], Any] | None = None,
                 resume: bool = False, context: Context | None = None, ptr: Any = None):
        if ptr is not None:
            assert context is not None
            self.context, self._ptr = context, ptr
            return
        cfg: Config = config_of(config, context)
        self.context = cfg.context
        self._opts = self._options(estim, progress, evaluated, epoch_done, resume)
        out = ffi.new("modnas_search **")
        self.context._call(lib.modnas_search_new, cfg._ptr, self._opts, out)
        self._ptr = self.context._own(out[0], lib.modnas_search_free)

    def _options(self, estim: str | None, progress: Any, evaluated: Any, epoch_done: Any, resume: bool) -> Any:
        context, guard = self.context, self.context._guarded
        self._name = ffi.new("char[]", encode(estim)) if estim else None
        opts = struct("modnas_search_opts", estim=self._name, resume=int(resume))
        # Always there: Python answers to signals (Ctrl-C) where it is called.
        opts.progress = guard("modnas_progress_fn", lambda p, ud: progress(_progress_of(p)) and None if progress else None)
        if evaluated:
            opts.evaluated = guard("int(modnas_search *, const modnas_evaluation *, void *)",
                                   lambda s, e, ud: evaluated(_evaluation_of(context, e)) and None)
        if epoch_done:
            opts.epoch_done = guard("int(modnas_search *, const modnas_progress *, void *)",
                                    lambda s, p, ud: epoch_done(_progress_of(p)) and None)
        return opts

    # ---- push ----------------------------------------------------------------------------------------------------

    def run(self) -> dict:
        """All estimators in order, files in exp/NAME/; results.json as a dict."""
        return self.context._json(lib.modnas_search_run, self._ptr)

    # ---- pull ----------------------------------------------------------------------------------------------------

    def ask(self, n: int = 1) -> list[Arch]:
        """Up to n architectures to look at; none: nothing is left."""
        out, n_out = ffi.new("modnas_arch *[]", n), ffi.new("int32_t *")
        try:
            self.context._call(lib.modnas_search_ask, self._ptr, n, out, n_out)
        except Exception as error:
            if getattr(error, "status", 0) == lib.MODNAS_EDONE:
                return []
            raise
        return [Arch(self.context, out[i]) for i in range(n_out[0])]

    def tell(self, arch: Arch | None, metrics: Mapping[str, float] | float | None, status: int = 0) -> None:
        """What came of an architecture: metrics by name, the first is the score; None: it failed."""
        if metrics is None:
            self.context._call(lib.modnas_search_tell, self._ptr, _ptr_of(arch), status or 1, ffi.NULL, 0)
            return
        made, names = metric_array(metrics)
        self.context._call(lib.modnas_search_tell, self._ptr, _ptr_of(arch), status, made, len(names))

    def train(self, arch: Arch | None = None, steps: int = 1) -> float:
        """Weight steps, of one path or of what the mixed ops draw; the mean loss."""
        return self._number(lib.modnas_search_train, _ptr_of(arch), steps)

    def arch_step(self) -> float:
        """A step of a gradient optimizer on the architecture parameters; its loss."""
        return self._number(lib.modnas_search_arch_step)

    def _number(self, function: Any, *args: Any) -> float:
        out = ffi.new("double *")
        self.context._call(function, self._ptr, *args, out)
        return out[0]

    def evaluate(self, arch: Arch | None = None) -> dict[str, float]:
        """Metrics of an architecture with the weights as they are; nothing is recorded."""
        made, n = ffi.new("modnas_metric[]", MAX_METRICS), ffi.new("int32_t *")
        self.context._call(lib.modnas_search_evaluate, self._ptr, _ptr_of(arch), made, MAX_METRICS, n)
        return metrics_of(made, min(n[0], MAX_METRICS))

    def arch(self) -> Arch:
        """What the model stands for now."""
        out = ffi.new("modnas_arch **")
        self.context._call(lib.modnas_arch_new, lib.modnas_search_model(self._ptr), out)
        return Arch(self.context, out[0])

    @property
    def best(self) -> tuple[Arch, float] | None:
        """The best so far, with its score."""
        score = ffi.new("double *")
        found = lib.modnas_search_best(self._ptr, score)
        return (Arch(self.context, ffi.cast("modnas_arch *", found), owned=False).copy(), score[0]) if found else None

    def export(self, arch: Arch | None = None) -> str:
        """YAML that `arch_desc` reads."""
        return self.context._text(lib.modnas_search_export, self._ptr, _ptr_of(arch))

    @property
    def model(self) -> Model:
        return Model(context=self.context, ptr=lib.modnas_search_model(self._ptr), owner=self)

    @property
    def n_steps(self) -> int:
        """Weight steps of an epoch."""
        return lib.modnas_search_n_steps(self._ptr)

    def save(self, path: str | os.PathLike) -> None:
        self.context._call(lib.modnas_search_save, self._ptr, encode(path))

    def load(self, path: str | os.PathLike) -> None:
        self.context._call(lib.modnas_search_load, self._ptr, encode(path))

    def checkpoint(self) -> None:
        """Inside of an estimator of one's own: a place to go on from."""
        self.context._call(lib.modnas_search_checkpoint, self._ptr)


def _ptr_of(arch: Arch | None) -> Any:
    return ffi.NULL if arch is None else arch._ptr


def run(*config: Any, progress: Callable[[Progress], Any] | None = None, resume: bool = False, context: Context | None = None) -> dict:
    """Run a configuration, as `modnas run` does; results.json as a dict."""
    cfg = config_of(config[0], context)
    for more in config[1:]:
        cfg.add(more)
    return Search(cfg, progress=progress, resume=resume).run()
