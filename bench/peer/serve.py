"""One supernet of the original, which makes steps on request: the other side of bench/step.

    serve.py MODEL SUPERNET LAYOUT BATCH THREADS
        SUPERNET: gates, index, sums, or cells of the MODEL DARTS; LAYOUT: nchw (as it comes), channels_last

Requests and answers are lines on standard input and output, the same as those of bench/step_serve.c:

    (at the start)           ready PARAMS N,N,... VERSION    N: candidates of each mixed op
    run KIND PATH OTHERS     ran MILLISECONDS LOSS           PATH: a candidate of each mixed op; OTHERS: a second one, for
                                                             architecture steps
    rss                      rss BYTES                       the peak of this process

A step is the original's own code, called as its SuperNetEstim calls it. Changed is only where a choice comes from (its
draws are made and then replaced by those of the request), that batches lie ready in memory, and, in channels-last, that
DARTS can take the norm of its gradients.
"""
import os
import sys
import tempfile
import time

import original

CANDIDATES = ["MB3E3", "MB3E6", "MB5E3", "MB5E6", "MB7E3", "MB7E6"]
SUPERNETS = {
    "gates": ("BinaryGateMixedOp", {"type": "BinaryGateOptim", "args": {"n_samples": 2, "renorm": True}}),
    "sums": ("SoftmaxSumMixedOp", {"type": "DARTSOptim"}),
    "cells": ("SoftmaxSumMixedOp", {"type": "DARTSOptim"}),
    "index": ("IndexMixedOp", {"type": "RandomSearchOptim", "args": {"seed": 1}}),
}
CELLS = {
    "ops": {"ops_order": "act_weight_bn", "bn": {"affine": False}},
    "model": {"type": "DARTS", "args": {"chn_in": 3, "chn": 16, "n_classes": 10, "layers": 8, "nodes": 4, "shared_a": True,
                                        "channel_multiplier": 3, "auxiliary": False}},
    "mixed_op": {"type": "SoftmaxSumMixedOp", "candidates": ["AVG", "MAX", "SC3", "SC5", "DC3", "DC5", "IDT", "NIL"]},
    "construct": {"mixed_op": {"type": "DARTSSearchConstructor"}},
}
N_SAMPLES = 512


def config(model, supernet, batch, folder):
    mixed_op, optim = SUPERNETS[supernet]
    data = {"type": "RandData", "args": {"data_size": N_SAMPLES,
                                         "data_spec": [[[3, 32, 32], "float", None], [None, "int", [0, 10]]]}}
    conf = {
        "name": "peer",
        "backend": "torch",
        "device_ids": "cpu",
        "device": {"device": "cpu"},
        "expman": {"root_dir": folder},
        "init": {"type": "TorchInitConstructor", "args": {"seed": 1, "device": "cpu"}},
        "model": {"type": model, "args": {"n_classes": 10}},
        "mixed_op": {"type": mixed_op, "candidates": list(CANDIDATES)},
        "construct": {"mixed_op": {"type": "MobileNetV2SearchConstructor"}},
        "train_data": data,
        "valid_data": data,
        "data_loader": {"type": "DefaultDataLoader",
                        "args": {"trn_batch_size": batch, "val_batch_size": batch, "workers": 0}},
        "callback": {"default": False},
        "trainer": {"default": {"type": "ImageClsTrainer", "args": {
            "criterion": "CrossEntropyLoss",
            "w_grad_clip": 5.0,
            "optimizer": {"type": "SGD", "args": {"lr": 0.025, "momentum": 0.9, "weight_decay": 0.0003}},
            "lr_scheduler": {"type": "CosineAnnealingLR", "args": {"T_max": 100}}}}},
        "optim": optim,
        "estim": {"search": {"type": "SuperNetEstim", "epochs": 100, "metrics": None, "trainer": "default"}},
    }
    if supernet == "cells":
        conf.update(CELLS)
    return conf


class Side:
    def __init__(self, model, supernet, layout, batch, threads):
        original.load()
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        with tempfile.TemporaryDirectory() as folder:
            self._build(config(model, supernet, batch, folder))
        self._fix_batches(layout)
        self._fix_choices()
        self._fix_norm()
        self.n_steps = 0

    def _build(self, conf):
        from modnas.arch_space.mixed_ops import MixedOp
        from modnas.utils.wrapper import init_all

        built = init_all(config=conf)
        self.optim = built["optim"]
        self.estim = built["estims"]["search"]
        self.estim.reset_trainer()
        self.ops = list(MixedOp.gen(self.estim.model))

    def _fix_batches(self, layout):
        """All batches of the loader, drawn once and handed out in turn."""
        torch, provider = self.torch, self.estim.trainer.data_provider
        images = torch.contiguous_format
        if layout == "channels_last":
            images = torch.channels_last
            self.estim.model.to(memory_format=images)
        ready = [(x.contiguous(memory_format=images), y) for x, y in provider.train_loader]
        turn = {"next": 0}

        def take():
            turn["next"] += 1
            return ready[turn["next"] % len(ready)]

        provider.get_next_train_batch = provider.get_next_valid_batch = take

    def _fix_choices(self):
        """A gate draws as it does, then takes op.wanted (its path) and op.compared (its active set)."""
        cls = type(self.ops[0])
        if not hasattr(cls, "sample_path"):
            return
        sample_path, sample_ops = cls.sample_path, cls.sample_ops

        def path(op):
            sample_path(op)
            op.s_path_f = [op.wanted]

        def ops(op, n_samples):
            sample_ops(op, n_samples)
            op.s_op = list(op.compared)

        cls.sample_path, cls.sample_ops = path, ops

    def _fix_norm(self):
        """Its DARTS flattens gradients in a way that channels-last ones refuse."""
        compute = getattr(type(self.optim), "_compute_hessian", None)
        if compute:
            self.optim._compute_hessian = lambda dw, *rest: compute(self.optim, [w.contiguous() for w in dw], *rest)

    def _set_path(self, path, others):
        for op, i, k in zip(self.ops, path, others):
            op.wanted, op.compared = i, sorted({i, k})

    def _train(self):
        trainer = self.estim.trainer
        self.n_steps += 1
        return trainer.train_step(estim=self.estim, model=self.estim.model, epoch=0, tot_epochs=100, step=self.n_steps,
                                  tot_steps=1 << 60)["loss"]

    def weight(self, path, others):
        self.optim.next()
        return self._train()

    def spos(self, path, others):
        """The original's loop draws a path and drops it; here it is applied, which is what the method asks for."""
        from modnas.core.param_space import ParamSpace

        ParamSpace().update_params({op.arch_param.name: op.arch_param.get_value(i) for op, i in zip(self.ops, path)})
        return self._train()

    def _arch_losses(self):
        losses = []
        loss = self.estim.loss
        self.estim.loss = lambda *args, **kwargs: losses.append(loss(*args, **kwargs)) or losses[-1]
        self.optim.step(self.estim)
        del self.estim.loss
        return losses

    def arch(self, path, others):
        return self._arch_losses()[0].item()

    def darts(self, path, others):
        """Of its four losses the second is on validation data, after the step ahead."""
        return self._arch_losses()[1].item()

    cells = darts

    def eval(self, path, others):
        return self.estim.trainer.valid_step(estim=self.estim, model=self.estim.model, epoch=0, tot_epochs=1, step=1,
                                             tot_steps=2)["loss"]

    def run(self, kind, path, others):
        self._set_path(path, others)
        start = time.perf_counter()
        loss = getattr(self, kind)(path, others)
        seconds = time.perf_counter() - start
        self._check(kind, path)
        return 1e3 * seconds, loss

    def _check(self, kind, path):
        """Was it the path that was asked for? An architecture step forgets its own, or has all of them."""
        if kind not in ("arch", "darts", "cells") and [op.last_samples[0] for op in self.ops] != path:
            raise RuntimeError("%s: the path taken is not the path asked for" % kind)

    def about(self):
        from importlib.metadata import version

        return "%d %s noah-vega %s, PyTorch %s" % (sum(p.numel() for p in self.estim.model.parameters()),
                                                   ",".join(str(len(op.candidates())) for op in self.ops),
                                                   version("noah-vega"), self.torch.__version__)


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main():
    model, supernet, layout, batch, threads = sys.argv[1:6]
    answers = os.fdopen(os.dup(1), "w")  # what anything else prints goes to standard error
    os.dup2(2, 1)
    side = Side(model, supernet, layout, int(batch), int(threads))
    print("ready", side.about(), file=answers, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            path, others = ([int(i) for i in word.split(",")] for word in words[2:4])
            print("ran %.6f %.9g" % side.run(words[1], path, others), file=answers, flush=True)
        elif words[0] == "rss":
            print("rss", peak_bytes(), file=answers, flush=True)


if __name__ == "__main__":
    main()
