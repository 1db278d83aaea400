#!/usr/bin/env python3
"""Is what the searches find better than chance? The study of docs/results.md, from the configurations docs/examples/fashion_mnist_*.yaml.

    results.py [--size SIZE] [--threads N] [--until HH:MM]     runs what is missing, prints each run, writes the page
    results.py --page [--size SIZE] [--threads N]                      only writes the page, of the runs that are there

For each method and seed: a search; the network found; N_RANDOM networks of the same space whose multiply-adds differ from its by at most BAND.
All are trained from scratch by the file's section `augment`, alike, with the seed of the search, and read the test images once.

Random networks come from one sequence for each space and seed, every candidate of every Slot equally likely; a network found is compared with the first
N_RANDOM of the sequence that lie in its band. So methods may share them, seeds never do.

SIZE: small (default) changes the files as SIZES says, full takes them as they are, quick is only to see that it all runs. Runs lie in
build/bench/results/SIZE/ and are not made again; --until begins none after that time. Python 3 alone is needed."""
import argparse
import hashlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
MODNAS = os.path.join(TOP, "build", "release", "modnas")
PAGE = os.path.join(TOP, "docs", "results.md")
SEEDS, N_RANDOM, BAND = (1, 2, 3), 10, 0.1
METHODS = {  # the end of the file's name, and what the page calls it
    "darts": "DARTS, second order",
    "proxyless": "ProxylessNAS-G",
    "proxyless_r": "ProxylessNAS-R",
    "snas": "SNAS",
    "spos": "SPOS + evolution under a limit",
}


def small(images, epochs, train_images, train_epochs, spos_epochs):
    """What is changed in the files: one space for all, less of everything. `epochs`: of the search, by method."""
    model = {"model.args.cfgs": "[[0,16,1,2],[1,16,1,2],[6,24,2,1],[6,40,3,2]]", "data_loader.args.workers": 0,
             "data_loader.args.trn_batch_size": 32}
    search = {"mixed_op.candidates": "[MB3E3,MB3E6,MB5E3,MB5E6]", "data_loader.args.val_batch_size": 32,
              "data_loader.args.train_size": images, "estim.search.baseline": "false", **model}
    spos = {"data_loader.args.val_batch_size": 100, "data_loader.args.valid_size": images // 8, "objective.subject_to.0": "macs <= 2.6M",
            "estim.supernet.args.within": "{macs: [null, 2.6M]}", "estim.supernet.epochs": spos_epochs}
    return {
        "search": search,
        "augment": {"data_loader.args.train_size": train_images, "estim.train.epochs": train_epochs, **model},
        "methods": {m: {"estim.search.epochs": n, **(spos if m == "spos" else {})} for m, n in epochs.items()},
    }


SIZES = {
    "full": {"search": {}, "augment": {}, "methods": {}},
    "small": small(8000, {"darts": 3, "proxyless": 10, "proxyless_r": 8, "snas": 4, "spos": 60}, 5000, 4, 8),
    "quick": small(800, {"darts": 1, "proxyless": 1, "proxyless_r": 1, "snas": 1, "spos": 4}, 300, 1, 1),
}


# ---- running

def yaml_of(method):
    return os.path.join("docs", "examples", "fashion_mnist_%s.yaml" % method)


def modnas(*args):
    done = subprocess.run([MODNAS, *args], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("results.py: modnas %s: status %d\n%s" % (" ".join(args), done.returncode, done.stderr[-2000:]))
    return done.stdout


class Study:
    def __init__(self, size, threads, until):
        self.size, self.threads, self.until = size, threads, until
        self.folder = os.path.join("build", "bench", "results", size)
        self.spaces = {}
        self.n_left = 0

    def args(self, method, routine, seed=None):
        change = dict(SIZES[self.size][routine], **(SIZES[self.size]["methods"].get(method, {}) if routine == "search" else {}))
        if self.threads:
            change["threads"] = self.threads
        args = ["-c", yaml_of(method), "-r", routine] + (["--seed", str(seed)] if seed is not None else [])
        for key, value in change.items():
            args += ["-o", "%s=%s" % (key, value)]
        return args

    def run(self, name, args):
        """results.json of a run, made now if it is not there; None: there is no time for it."""
        path, beside = (os.path.join(TOP, self.folder, name, "outputs", f) for f in ("results.json", "cpu_seconds.json"))
        if not os.path.exists(beside):
            if self.until and time.strftime("%H:%M") >= self.until:
                self.n_left += 1
                return None
            before = sum(os.times()[2:4])
            print("modnas run -n %s %s" % (name, " ".join(args)), flush=True)
            modnas("run", "-n", name, "-o", "expman.root_dir=" + self.folder, *args)
            with open(beside, "w") as file:
                json.dump(sum(os.times()[2:4]) - before, file)
        return dict(read(path), cpu_seconds=read(beside))

    def search(self, method, seed):
        done = self.run("search_%s_%d" % (method, seed), self.args(method, "search", seed))
        if not done:
            return None
        best = done["estim"]["search"]["best"]
        if not best:
            sys.exit("results.py: the search of %s with seed %d found nothing that obeys its limit" % (method, seed))
        return {"arch": tuple(a if isinstance(a, str) else a[0] for a in best["arch"]), "params": best["metrics"]["params"],
                "cpu_seconds": done["cpu_seconds"], "versions": done["versions"]}

    def train(self, method, arch, seed, name):
        """The network's accuracy on the test images, and its multiply-adds."""
        done = self.run(name, self.args(method, "augment", seed) + ["-g", "[%s]" % ",".join(arch)])
        return done and {"arch": arch, "acc": done["test"]["acc_top1"], "macs": self.space(method)["macs"](arch), "cpu_seconds": done["cpu_seconds"]}

    def space(self, method):
        """Candidates by Slot, and the multiply-adds of an architecture: they add up over Slots."""
        if method not in self.spaces:
            choices = [s["candidates"] for s in json.loads(modnas("describe", "--json", *self.args(method, "search")))["slots"]]
            trained = json.loads(modnas("config", *self.args(method, "augment")))

            def macs(arch):
                return json.loads(modnas("describe", "--json", *self.args(method, "augment"), "-g", "[%s]" % ",".join(arch)))["macs"]
            first = [c[0] for c in choices]
            base = macs(first)
            more = [{c: macs(first[:i] + [c] + first[i + 1:]) - base for c in slot} for i, slot in enumerate(choices)]
            name = json.dumps([choices] + [trained.get(k) for k in ("model", "train_data", "data_loader", "trainer", "estim", "threads")])
            self.spaces[method] = {"choices": choices, "macs": lambda arch: base + sum(m[c] for m, c in zip(more, arch)),
                                   "name": hashlib.sha256(name.encode()).hexdigest()[:6]}
        return self.spaces[method]


def read(path):
    with open(path) as file:
        return json.load(file)


def like(space, seed, found):
    """The first N_RANDOM of the seed's sequence whose costs lie in the band, without the network itself: (place in the sequence, architecture)."""
    draw, seen, chosen = random.Random(seed), {found}, []
    for place in range(100000):
        arch = tuple(draw.choice(slot) for slot in space["choices"])
        if arch in seen or abs(space["macs"](arch) / space["macs"](found) - 1) > BAND:
            continue
        seen.add(arch)
        chosen.append((place, arch))
        if len(chosen) == N_RANDOM:
            break
    return chosen


def compare(study, method, seed, found):
    """A network found and those beside it, trained alike; what there was no time for is missing."""
    space = study.space(method)
    own = study.train(method, found["arch"], seed, "found_%s_%d" % (method, seed))
    others = [study.train(method, arch, seed, "random_%s_%d_%d" % (space["name"], seed, place))
              for place, arch in like(space, seed, found["arch"])]
    return {"method": method, "seed": seed, **found, "found": own, "random": [o for o in others if o]}


# ---- statistics

def rank(row):
    """Of the found one among all, 1 is best; ties count against it."""
    return 1 + sum(r["acc"] >= row["found"]["acc"] for r in row["random"])


def p_value(rows):
    """One-sided and exact: by chance every rank is equally likely in each seed, and seeds are independent. P(sum of ranks <= what it is)."""
    ways = {0: 1.0}
    for row in rows:
        n, then = len(row["random"]) + 1, {}
        for total, p in ways.items():
            for r in range(1, n + 1):
                then[total + r] = then.get(total + r, 0) + p / n
        ways = then
    return sum(p for total, p in ways.items() if total <= sum(map(rank, rows)))


def spread(values, form="%.2f"):
    sd = " ± " + form % statistics.stdev(values) if len(values) > 1 else ""
    return form % statistics.mean(values) + sd


# ---- the page

def cells(rows):
    others = [o for r in rows for o in r["random"]]
    return [METHODS[rows[0]["method"]], spread([100 * r["found"]["acc"] for r in rows]), spread([100 * o["acc"] for o in others]),
            ", ".join(str(rank(r)) for r in rows), "%.3f" % p_value(rows), spread([r["found"]["macs"] / 1e6 for r in rows]),
            spread([o["macs"] / 1e6 for o in others]), spread([r["params"] / 1e3 for r in rows], "%.0f"),
            spread([r["cpu_seconds"] for r in rows], "%.0f")]


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def each(row):
    accs = sorted(100 * o["acc"] for o in row["random"])
    return [METHODS[row["method"]], str(row["seed"]), "%.2f" % (100 * row["found"]["acc"]),
            "%.2f %.2f %.2f" % (accs[0], statistics.median(accs), accs[-1]), str(len(accs)), " ".join(row["found"]["arch"])]


def lines_of(data):
    by_method = [[r for r in data["rows"] if r["method"] == m] for m in METHODS]
    yield "Machine: %s. %s, %s." % (data["cpu"], ", ".join("%s %s" % v for v in data["versions"].items()),
                                    "%d thread" % data["threads"] if data["threads"] else "threads as the files say")
    yield ""
    yield from table(["method", "found, %", "random, %", "ranks of the found", "p", "found, M multiply-adds", "random", "found, K params",
                      "search, CPU s"], [cells(rows) for rows in by_method if rows])
    yield ""
    yield from table(["method", "seed", "found, %", "random, %: lowest, median, highest", "of", "architecture found"],
                     [each(r) for rows in by_method for r in rows])


def write_page(size, data):
    with open(PAGE) as file:
        page = file.read()
    text = "\n".join(lines_of(data))
    print(text)
    between = re.compile("(<!-- %s -->\n).*?(<!-- /%s -->)" % (size, size), re.S)
    page, n = between.subn(lambda m: m.group(1) + text + "\n" + m.group(2), page)
    if n:
        with open(PAGE, "w") as file:
            file.write(page)


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--threads", type=int, help="instead of the files' threads; results depend on it")
    parser.add_argument("--until", help="HH:MM after which no run is begun")
    parser.add_argument("--page", action="store_true", help="begin no run")
    opts = parser.parse_args()
    study = Study(opts.size, opts.threads, "00:00" if opts.page else opts.until)
    rows = []
    for seed in SEEDS:
        for method in METHODS:
            found = study.search(method, seed)
            rows += [compare(study, method, seed, found)] if found else []
    rows = [r for r in rows if r["found"] and r["random"]]
    if study.n_left:
        print("results.py: there was no time for %d runs and what follows them" % study.n_left, file=sys.stderr)
    if rows:
        data = {"size": opts.size, "threads": opts.threads, "cpu": cpu_name(), "versions": rows[0]["versions"], "rows": rows}
        with open(os.path.join(TOP, study.folder, "results.json"), "w") as file:
            json.dump(data, file, indent=1)
        write_page(opts.size, data)
    return 1 if study.n_left else 0


if __name__ == "__main__":
    sys.exit(main())
