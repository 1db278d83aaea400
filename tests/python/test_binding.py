"""The Python binding against the library: what Python drives gives the same as the program, and errors come back whole."""
import collections
import gc
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy

import modnas
from modnas import ops

SPACE = {
    "backend": "ref", "threads": 1, "seed": 3,
    "model": {"type": "MobileNetV2", "args": {"input": [3, 8, 8], "n_classes": 3, "cfgs": [[0, 8, 1, 1], [1, 8, 2, 1], [3, 8, 2, 2]]}},
    "mixed_op": {"type": "IndexMixedOp", "candidates": ["MB3E1", "MB3E3", "MB5E1"]},
    "train_data": {"type": "RandData", "args": {"data_spec": [[[3, 8, 8], "float", None], [None, "int", [0, 3]]], "data_size": 24}},
    "data_loader": {"type": "DefaultDataLoader", "args": {"trn_batch_size": 8, "val_batch_size": 8, "valid_size": 8}},
    "trainer": {"default": {"type": "ImageClsTrainer", "args": {"optimizer": {"type": "SGD", "args": {"lr": 0.05}}}}},
    "optim": "RandomSearchOptim",
}
RUN = {**SPACE, "estim": {"search": {"type": "SuperNetEstim", "epochs": 2, "baseline": False}}}
MODNAS = os.environ["MODNAS_PROGRAM"]


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        self.context = modnas.Context()

    def config(self, *sources):
        return modnas.Config(*sources, context=self.context)


class Configs(InFolder):
    def test_merging(self):
        pathlib.Path("a.yaml").write_text("seed: 1\nmodel: CIFAR_MobileNetV2\n")
        cfg = self.config("a.yaml", {"seed": 2}, "threads: 1\n").override("seed=5")
        self.assertEqual((cfg.resolved()["seed"], cfg.resolved()["threads"]), (5, 1))
        self.assertEqual(cfg.describe()["params"], 3504872)  # as published, with 1000 classes
        self.assertTrue(cfg.dot().startswith("digraph"))

    def test_errors(self):
        with self.assertRaisesRegex(modnas.ConfigError, r"text:2: .*sed") as caught:
            self.config("threads: 1\nsed: 3\nmodel: CIFAR_MobileNetV2\n").check()
        self.assertEqual(caught.exception.name, "MODNAS_ECONFIG")
        with self.assertRaises(modnas.NotFoundError):
            self.config("none.yaml")
        with self.assertRaises(ValueError):
            modnas.Context(threads=1000)


class Searches(InFolder):
    def test_the_same_as_the_program(self):
        """Push from Python, the program, and `python -m`: the same files."""
        cfg = self.config(RUN, {"name": "py"})
        results = modnas.run(cfg)
        pathlib.Path("run.yaml").write_text(json.dumps(RUN))
        subprocess.run([MODNAS, "run", "-c", "run.yaml", "-n", "c", "--quiet"], check=True, capture_output=True)
        subprocess.run([sys.executable, "-m", "modnas.exec.local", "-c", "run.yaml", "-n", "m"], check=True, capture_output=True)
        self.assertEqual(results["estim"]["search"]["best"]["metrics"].keys() >= {"params", "macs"}, True)
        for other in ("c", "m"):
            for file in ("outputs/arch_search_best.yaml", "outputs/history.tsv", "chkpt/model_search_best.safetensors"):
                self.assertEqual(pathlib.Path("exp/py", file).read_bytes(), pathlib.Path("exp", other, file).read_bytes(), file)

    def test_pull(self):
        search = modnas.Search(self.config(SPACE))
        self.assertEqual(search.n_steps, 2)
        told = {}
        for arch in search.ask(3):
            loss = search.train(arch, 2)
            metrics = search.evaluate(arch)
            self.assertTrue(loss > 0 and metrics["params"] > 0)
            search.tell(arch, metrics)
            told[tuple(arch.as_dict().values())] = next(iter(metrics.values()))
        arch, score = search.best
        self.assertEqual(score, max(told.values()))
        self.assertEqual(told[tuple(arch.as_dict().values())], score)
        self.assertIn("MB", search.export(arch))
        search.tell(arch, None)  # failed
        search.save("s.chkpt")
        again = modnas.Search(self.config(SPACE))
        again.load("s.chkpt")
        self.assertEqual(again.ask(2), search.ask(2))

    def test_an_outside_sampler(self):
        search = modnas.Search(self.config(SPACE))
        sampler = random.Random(1)
        for _ in range(4):
            arch = search.arch()
            for name in arch:
                arch[name] = sampler.choice(arch.options(name))
            search.tell(arch, {"score": sum(o == "MB3E3" for o in arch.as_dict().values())})
        self.assertGreaterEqual(search.best[1], 1)
        with self.assertRaises(ValueError):
            arch["0" if "0" in list(arch) else next(iter(arch))] = "MB9E9"
        with self.assertRaises(KeyError):
            arch["none"]

    def test_callbacks(self):
        seen = collections.Counter()
        search = modnas.Search(self.config(RUN), progress=lambda p: seen.update([p.phase]),
                               evaluated=lambda e: seen.update(["evaluated"]), epoch_done=lambda p: seen.update(["epoch"]))
        search.run()
        self.assertEqual(seen["epoch"], 2)
        self.assertGreaterEqual(seen["evaluated"], 1)
        self.assertGreaterEqual(seen["train"], 4)

    def test_what_a_callback_raises(self):
        class Mine(Exception):
            pass

        for error in (Mine, KeyboardInterrupt):
            def stop(progress, error=error):
                raise error("enough")
            with self.assertRaises(error):
                modnas.run(self.config(RUN, {"name": error.__name__}), progress=stop)

    def test_cancel_from_a_thread(self):
        search = modnas.Search(self.config({**RUN, "estim": {"search": {"type": "SuperNetEstim", "epochs": 10000}}}),
                               progress=lambda p: p.step == 0 and threading.Thread(target=self.context.cancel).start())
        with self.assertRaises(modnas.Canceled):
            search.run()


class Models(InFolder):
    def test_tensors(self):
        model = modnas.Model(self.config({**SPACE, "mixed_op": None}))
        self.assertEqual(model.input, (3, 8, 8))
        self.assertEqual(sum(numpy.prod(s) for n, s in model.tensors.items() if "running" not in n), model.n_params)
        x = numpy.random.default_rng(1).normal(size=(2, 3, 8, 8))
        before = model(x)
        model.set("fc.bias", model.get("fc.bias") + 1)
        numpy.testing.assert_allclose(model(x), before + 1, rtol=1e-6)
        model.save("w.safetensors")
        other = modnas.Model(self.config({**SPACE, "mixed_op": None, "seed": 9}))
        other.load("w.safetensors")
        numpy.testing.assert_array_equal(other(x), model(x))
        with self.assertRaises(ValueError):
            model(x[:, :2])
        with self.assertRaises(KeyError):
            model.get("none")
        model.export_onnx("net.onnx")
        self.assertTrue(os.path.exists("net.onnx.sha256"))

    def test_frees_in_any_order(self):
        for _ in range(5):
            context = modnas.Context()
            search = modnas.Search(modnas.Config(SPACE, context=context))
            arch, model = search.ask(1)[0], search.model
            del context, search
            gc.collect()
            self.assertTrue(len(arch) and model.n_params)


class Components(InFolder):
    def network(self):
        @modnas.register(context=self.context)
        class PyNet:
            "A backbone of Python."

            def __init__(self, width=4, act="ReLU"):
                self.width, self.act = width, act

            def build(self, m):
                m.model.set_input(3, 8, 8)
                m.add("stem", "Conv2d", in_channels=3, out_channels=self.width, kernel_size=3, padding=1, bias=False)
                m.add("block", "Slot", chn_in=self.width, chn_out=self.width)
                m.add("fc", "Linear", in_features=self.width, out_features=3)
                m.param("scale", (self.width,), "ones")

            def forward(self, m, x):
                x = ops.activation(m["stem"](x), self.act)
                x = x + m["block"](x) * 0.5
                return m["fc"](ops.global_pool(x * m.value(x, "scale")))
        return {**SPACE, "model": {"type": "PyNet", "args": {"width": 8}}}

    def test_backbone(self):
        config = self.network()
        listed = [c for c in modnas.components("model", self.context) if c["name"] == "PyNet"][0]
        self.assertEqual([(a["name"], a["default"]) for a in listed["args"]], [("width", 4), ("act", "ReLU")])
        self.assertEqual(listed["text"], "A backbone of Python.")
        search = modnas.Search(self.config(config))
        arch = search.ask(1)[0]
        losses = [search.train(arch, 2) for _ in range(20)]
        self.assertLess(losses[-1], losses[0])
        with self.assertRaisesRegex(modnas.ConfigError, "widht"):
            self.config({**config, "model": {"type": "PyNet", "args": {"widht": 8}}}).check()

    def test_backbone_that_raises(self):
        @modnas.register(context=self.context)
        class Broken:
            def build(self, m):
                raise ZeroDivisionError("in build")
        with self.assertRaisesRegex(ZeroDivisionError, "in build"):
            modnas.Model(self.config({**SPACE, "mixed_op": None, "model": "Broken"}))

    def test_other_kinds(self):
        calls = collections.Counter()

        @modnas.register(kind="metrics", context=self.context)
        class Longest:
            def measure(self, search, arch):
                calls["measure"] += 1
                return sum(o == "MB3E3" for o in arch.as_dict().values())

        @modnas.register(kind="optim", context=self.context)
        class Ones:
            def __init__(self, n=3):
                self.left = n

            def ask(self, archs):
                n = min(self.left, len(archs))
                for arch in archs[:n]:
                    for name in arch:
                        arch[name] = 1 if self.left == 2 else 0
                    self.left -= 1
                return n

            def tell(self, arch, metrics, status):
                calls["tell"] += 1

        @modnas.register(kind="criterion", context=self.context)
        class Mine:
            def loss(self, logits, target):
                return ops.loss(logits, "CrossEntropyLoss", target) * 2.0

        @modnas.register(kind="estim", context=self.context)
        class Loop:
            def run(self, search):
                while archs := search.ask(1):
                    search.train(archs[0], 1)
                    search.tell(archs[0], search.evaluate(archs[0]))

        @modnas.register(kind="export", context=self.context)
        class Joined:
            def run(self, model, arch):
                return {"joined": "-".join(str(v) for v in arch.as_dict().values())}

        @modnas.register(kind="construct", context=self.context)
        class Fill:
            def run(self, model):
                calls["slots"] = len(model.slots)
        results = modnas.run(self.config({
            **SPACE, "optim": "Ones", "construct": {"more": "Fill"}, "export": {"joined": "Joined"},
            "estim": {"loop": {"type": "Loop", "metrics": "Longest", "criterion": "Mine"}}}))
        self.assertEqual(results["estim"]["loop"]["best"]["score"], calls["slots"])
        self.assertEqual((calls["tell"], calls["measure"], calls["slots"]), (3, 3, 4))
        self.assertEqual(results["estim"]["loop"]["best"]["arch"], {"joined": "MB3E3-MB3E3-MB3E3-MB3E3"})


class Data(InFolder):
    def search_on(self, name):
        return modnas.Search(self.config({**SPACE, "train_data": name}))

    def images(self):
        rng = numpy.random.default_rng(2)
        return rng.normal(size=(24, 3, 8, 8)).astype("float32"), rng.integers(0, 3, 24)

    def test_three_forms_are_alike(self):
        x, y = self.images()
        losses = []
        for name, data in {"Arrays": (x, y), "Pairs": list(zip(x, y)), "Batches": ((x[i:i + 5], y[i:i + 5]) for i in range(0, 24, 5))}.items():
            modnas.register_data(name, data, context=self.context)
            losses.append(self.search_on(name).train(None, 4))
        self.assertEqual(losses, [losses[0]] * 3)

    def test_another_thread(self):
        modnas.register_data("Ahead", self.images(), thread_safe=True, context=self.context)
        self.assertGreater(self.search_on("Ahead").train(None, 8), 0)

    def test_refused(self):
        x, y = self.images()
        with self.assertRaisesRegex(ValueError, "24 images, 3 labels"):
            modnas.register_data("A", (x, y[:3]), context=self.context)
        with self.assertRaisesRegex(ValueError, "no image"):
            modnas.register_data("B", iter([]), context=self.context)
        pairs = list(zip(x, y))
        pairs[5:] = [(numpy.zeros((3, 9, 9)), 0)] * 19
        modnas.register_data("C", pairs, context=self.context)
        with self.assertRaisesRegex(ValueError, r"image \d+ is \(3, 9, 9\)"):
            self.search_on("C").train(None, 8)


if __name__ == "__main__":
    unittest.main()
