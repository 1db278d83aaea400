#!/usr/bin/env python3
"""Do the scores of a supernet rank networks as training each of them does? The section of docs/results.md on NAS-Bench-Macro.

    truth.py --table nasbench_macro.tsv --data FOLDER [--size SIZE] [--until HH:MM]      runs what is missing, writes the page
    truth.py --table nasbench_macro.tsv --page [--size SIZE]                             only writes the page, of the runs that are there

docs/examples/nas_bench_macro_spos.yaml, changed as SIZES says, trains a supernet by each way of sampling and seed, and scores networks at random
with its weights, their batch norms calibrated anew. Of those that are the same network (an identity behind the first layer of a stage may stand anywhere in it)
the first one counts. Kendall's tau (b) of the scores with the published accuracies stands beside that of rankings which cost nothing, and of
one published training with another.

FOLDER holds train_10k.bin. Runs lie in build/bench/truth/SIZE/, are not made again, and go on where they were stopped; Python 3 alone is needed."""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
PAGE = os.path.join(TOP, "docs", "results.md")
YAML = os.path.join("docs", "examples", "nas_bench_macro_spos.yaml")
SEEDS, N_NETS = (1, 2, 3), 200
STAGES = (2, 3, 3)  # layers
WAYS = {"uniform": "uniform sampling (SPOS)", "strict": "strictly fair (FairNAS)"}


def size(epochs, images, valid, batch, lr, calibration):
    """epochs of uniform sampling: strictly fair sampling has a third of them, as each of its steps trains three paths."""
    common = {"data_loader.args.train_size": images, "data_loader.args.valid_size": valid, "data_loader.args.trn_batch_size": batch,
              "trainer.default.args.optimizer.args.lr": lr, "estim.search.args.num_bn_batch": calibration,
              "estim.search.epochs": N_NETS + 10, "estim.search.baseline": "false", "optim": "RandomSearchOptim"}
    return {"uniform": dict(common, **{"estim.supernet.epochs": epochs}),
            "strict": dict(common, **{"estim.supernet.epochs": epochs // 3, "estim.supernet.args.strict": "true"})}


SIZES = {
    "full": size(120, 10000, 1000, 64, 0.1, 16),
    "small": size(9, 10000, 400, 32, 0.05, 6),
    "tiny": size(6, 5000, 400, 32, 0.05, 6),
    "quick": size(3, 300, 100, 32, 0.05, 1),
}


# ---- running

class Study:
    def __init__(self, opts):
        self.opts = opts
        self.folder = os.path.join("build", "bench", "truth", opts.size)
        self.n_left = 0

    def args(self, way, seed):
        args = ["-c", YAML, "--seed", str(seed), "-o", "threads=1", "-o", "train_data.args.root=%s" % self.opts.data]
        for key, value in SIZES[self.opts.size][way].items():
            args += ["-o", "%s=%s" % (key, value)]
        return args

    def run(self, way, seed):
        """{"rows", "cpu_seconds", "versions"} of a run, made or gone on with now if it is not over; None: there is no time for it."""
        name = "%s_%d" % (way, seed)
        outputs = os.path.join(TOP, self.folder, name, "outputs")
        beside = os.path.join(outputs, "cpu_seconds.json")
        path = os.path.join(outputs, "results.json")
        if not (os.path.exists(path) and read(path)["complete"] and os.path.exists(beside)):
            if self.opts.page or (self.opts.until and time.strftime("%H:%M") >= self.opts.until):
                self.n_left += 1
                return None
            if not self.go_on(name, way, seed, beside):
                sys.exit("truth.py: the run %s was stopped; the next call goes on" % name)
        done = read(path)
        return {"way": way, "seed": seed, "rows": history(os.path.join(outputs, "history.tsv")), "cpu_seconds": read(beside),
                "versions": done["versions"], "isa": done["isa"]}

    def go_on(self, name, way, seed, beside):
        before = read(beside) if os.path.exists(beside) else 0
        args = ["run", "--quiet", "--resume", "-n", name, "-o", "expman.root_dir=" + self.folder, "-o", "expman.chkpt_intv_seconds=120"]
        print("modnas " + " ".join(args + self.args(way, seed)), flush=True)
        child = subprocess.Popen([self.opts.modnas] + args + self.args(way, seed), cwd=TOP)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        began = sum(os.times()[2:4])
        status = child.wait()
        os.makedirs(os.path.dirname(beside), exist_ok=True)
        with open(beside, "w") as file:
            json.dump(before + sum(os.times()[2:4]) - began, file)
        if status not in (0, 130):
            sys.exit("truth.py: modnas ended with status %d" % status)
        return status == 0


def read(path):
    with open(path) as file:
        return json.load(file)


def tsv(path):
    with open(path) as file:
        head = file.readline().rstrip("\n").split("\t")
        return [dict(zip(head, line.rstrip("\n").split("\t"))) for line in file]


def history(path):
    return [{"arch": json.loads(r["arch"]), **{k: float(r[k]) for k in ("acc_top1", "loss", "params", "macs")}}
            for r in tsv(path) if r["estim"] == "search" and r["status"] == "0"]


# ---- statistics

def same(arch):
    """One text for architectures that are the same network."""
    at, parts = 0, []
    for n in STAGES:
        parts += [arch[at], "".join(sorted(arch[at + 1:at + n], key="0".__eq__))]
        at += n
    return "".join(parts)


def distinct(rows):
    seen = {}
    for r in rows:
        seen.setdefault(same(r["arch"]), r)
    return list(seen.values())[:N_NETS]


def tau(a, b):
    """Kendall's tau-b."""
    def sign(x):
        return (x > 0) - (x < 0)
    pairs = [(sign(a[i] - a[j]), sign(b[i] - b[j])) for i in range(len(a)) for j in range(i)]
    n_a, n_b = sum(x != 0 for x, _ in pairs), sum(y != 0 for _, y in pairs)
    return sum(x * y for x, y in pairs) / (n_a * n_b) ** 0.5 if n_a and n_b else 0.0


def compare(run, table):
    rows = distinct(run["rows"])
    truth = [float(table[r["arch"]]["acc_mean"]) for r in rows]
    each = {"accuracy": [r["acc_top1"] for r in rows], "loss": [-r["loss"] for r in rows], "params": [r["params"] for r in rows],
            "multiply-adds": [r["macs"] for r in rows], "layers": [sum(d != "0" for d in r["arch"]) for r in rows]}
    taus = {name: tau(values, truth) for name, values in each.items()}
    taus["again"] = tau(*([float(table[r["arch"]]["acc_seed%d" % i]) for r in rows] for i in (0, 1)))
    first = min(range(len(rows)), key=lambda i: rows[i]["loss"])
    return dict(run, rows=None, n=len(rows), taus=taus, accs=[r["acc_top1"] for r in rows], truth=truth, best=truth[first],
                arch=rows[first]["arch"], rank=1 + sum(t > truth[first] for t in truth))


# ---- the page

def spread(values, form="%.2f"):
    return form % statistics.mean(values) + (" ± " + form % statistics.stdev(values) if len(values) > 1 else "")


def lines_of(results, opts):
    yield "Machine: %s. %s, %s, 1 thread. Sizes: %s." % (
        cpu_name(), ", ".join("%s %s" % v for v in results[0]["versions"].items()), results[0]["isa"], "; ".join(
            "%s %s" % (re.sub(r"^\w+\.|default\.|args\.", "", k), v) for k, v in SIZES[opts.size]["uniform"].items() if k.startswith(("data_loader", "estim", "trainer"))))
    yield ""
    yield "| supernet | seeds | τ by loss | τ by accuracy | scored, % | published accuracy of the one with the least loss (its rank) | CPU s |"
    yield "|---|---:|---:|---:|---:|---|---:|"
    for way, text in WAYS.items():
        of = [r for r in results if r["way"] == way]
        if of:
            yield "| %s | %s | %s | %s | %s | %s | %s |" % (
                text, ", ".join(str(r["seed"]) for r in of), spread([r["taus"]["loss"] for r in of]), spread([r["taus"]["accuracy"] for r in of]),
                spread([100 * statistics.mean(r["accs"]) for r in of], "%.1f"),
                ", ".join("%.2f (%d of %d)" % (r["best"], r["rank"], r["n"]) for r in of), spread([r["cpu_seconds"] for r in of], "%.0f"))
    yield ""
    yield "| without any training, of the same networks | τ |"
    yield "|---|---:|"
    once = list({r["seed"]: r for r in results}.values())
    for name, text in (("params", "parameters"), ("multiply-adds", "multiply-adds"), ("layers", "layers that are no identity"),
                       ("again", "ceiling: one published training with another")):
        yield "| %s | %s |" % (text, spread([r["taus"][name] for r in once]))
    yield ""
    yield "Each: " + "; ".join("%s %d: τ %.3f by loss, %.3f by accuracy (%d networks)" % (r["way"], r["seed"], r["taus"]["loss"], r["taus"]["accuracy"], r["n"])
                               for r in results) + "."


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def write_page(results, opts):
    with open(PAGE) as file:
        page = file.read()
    text = "\n".join(lines_of(results, opts))
    print(text)
    mark = "truth " + opts.size
    between = re.compile("(<!-- %s -->\n).*?(<!-- /%s -->)" % (mark, mark), re.S)
    page, n = between.subn(lambda m: m.group(1) + text + "\n" + m.group(2), page)
    if n:
        with open(PAGE, "w") as file:
            file.write(page)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="nasbench_macro.tsv: arch, acc_mean, acc_seed0, acc_seed1")
    parser.add_argument("--data", default="data", help="the folder of train_10k.bin")
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--until", help="HH:MM after which no run is begun")
    parser.add_argument("--page", action="store_true", help="begin no run")
    parser.add_argument("--modnas", default=os.path.join(TOP, "build", "release", "modnas"))
    opts = parser.parse_args()
    study = Study(opts)
    table = {r["arch"]: r for r in tsv(opts.table)}
    runs = [study.run(way, seed) for seed in SEEDS for way in WAYS]
    results = [compare(r, table) for r in runs if r]
    if study.n_left:
        print("truth.py: %d runs are missing" % study.n_left, file=sys.stderr)
    if results:
        write_page(results, opts)
    return 1 if study.n_left else 0


if __name__ == "__main__":
    sys.exit(main())
