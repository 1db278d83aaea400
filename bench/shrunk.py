#!/usr/bin/env python3
"""Are the sub-networks of a shrunk network as good as the same networks trained alone? The section of docs/results.md on Once-for-All.

    shrunk.py [--size SIZE] [--threads N] [--jobs N] [--until HH:MM]      runs what is missing, writes the page
    shrunk.py --page [--size SIZE] [--threads N]                          only writes the page, of the runs that are there

docs/examples/ofa_fashion_mnist.yaml, changed as SIZES says, is trained once. Its smallest, its largest and N_RANDOM networks at random (every value equally
likely) are cut out, with batch norm statistics taken anew and with those that they share, and read the test images. The same networks are trained alone,
from scratch, with as many weight updates as the shrunk network had in all, and read them too. Kendall's tau (b) compares the two orders.

SIZE: small (default) changes the file as SIZES says, full takes it as it is, quick is only to see that it all runs. Runs lie in build/bench/shrunk/SIZE/ and
are not made again; --until begins none after that time. Python 3 alone is needed."""
import argparse
import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
MODNAS = os.path.join(TOP, "build", "release", "modnas")
PAGE = os.path.join(TOP, "docs", "results.md")
YAML = os.path.join("docs", "examples", "ofa_fashion_mnist.yaml")
SEED, N_RANDOM, STAGES, BATCHES = 1, 10, 4, 10
DEPTHS, WINDOWS, EXPANSIONS, BLOCKS = (1, 2, 3), (3, 5, 7), (3, 6), (3, 3)  # of the file: two stages of three blocks behind the first


def size(images, largest, stage):
    """images: to train and to validate on, a quarter of them for that; halves of all channels, and of a batch."""
    return {"change": {"data_loader.args.workers": 0, "data_loader.args.train_size": images, "data_loader.args.valid_size": images // 4,
                       "data_loader.args.trn_batch_size": 32, "model.args.width_coeff": 0.5}, "epochs": (largest, stage)}


SIZES = {"full": {"change": {}, "epochs": (20, 6)}, "small": size(1280, 6, 2), "quick": size(320, 2, 1)}


class Late(Exception):
    pass


class Failed(Exception):
    pass


def modnas(*args):
    """Seconds of the processor that it took."""
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen([MODNAS, *args], cwd=TOP, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise Failed("modnas %s: status %d\n%s" % (" ".join(args), child.returncode, said.read()[-2000:]))
        return usage.ru_utime + usage.ru_stime


class Study:
    def __init__(self, opts):
        self.opts, self.size = opts, SIZES[opts.size]
        self.folder = os.path.join("build", "bench", "shrunk", opts.size)
        change = dict(self.size["change"], **({"threads": opts.threads} if opts.threads else {}))
        self.common = ["-c", YAML, "--seed", str(SEED)] + [w for k, v in change.items() for w in ("-o", "%s=%s" % (k, v))]

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def begin(self):
        if self.opts.page or (self.opts.until and time.strftime("%H:%M") >= self.opts.until):
            raise Late()

    def run(self, name, *args):
        """results.json of a run, with the seconds of the processor that it took; made now if it is not there."""
        beside = os.path.join(TOP, self.path(name, "outputs", "cpu_seconds.json"))
        if not os.path.exists(beside):
            self.begin()
            print("modnas run -n %s %s" % (name, " ".join(args)), flush=True)
            seconds = modnas("run", "-n", name, "-o", "expman.root_dir=" + self.folder, *self.common, *args)
            with open(beside, "w") as file:
                json.dump(seconds, file)
        with open(os.path.join(os.path.dirname(beside), "results.json")) as file, open(beside) as cpu:
            return dict(json.load(file), cpu_seconds=json.load(cpu))

    def supernet(self):
        largest, stage = self.size["epochs"]
        return self.run("supernet", "-r", "search", "-o", "estim.largest.epochs=%d" % largest, "-o", "estim.shrink.epochs=%d" % stage,
                        "-o", "estim.search.epochs=20", "-o", "estim.search.baseline=false")

    def score(self, name, net, calibrate):
        """A cut-out's accuracy on the test images."""
        file = self.path("%s_%s.safetensors" % (name, calibrate))
        if not os.path.exists(os.path.join(TOP, file)):
            self.begin()
            modnas("export", *self.common, "-r", "search", "-p", self.path("supernet", "chkpt", "model_shrink_last.safetensors"), "-g",
                   json.dumps(net), "--calibrate", calibrate, "--batches", str(BATCHES), "--out", file)
        return self.run("%s_%s" % (name, calibrate), "-r", "alone", "-g", operators(net), "-p", file, "-o", "estim.train.epochs=0")

    def alone(self, name, net):
        largest, stage = self.size["epochs"]
        return self.run("%s_alone" % name, "-r", "alone", "-g", operators(net), "-o", "estim.train.epochs=%d" % (largest + STAGES * stage))

    def row(self, job):
        called, net = job
        name = called.replace(" ", "_")
        try:
            return self.measure(called, name, net)
        except Late:
            return None

    def measure(self, called, name, net):
        taken, shared, alone = self.score(name, net, "pooled"), self.score(name, net, "none"), self.alone(name, net)
        return {"name": called, "macs": alone["network"]["macs"], "params": alone["network"]["params"], "pooled": taken["test"]["acc_top1"],
                "none": shared["test"]["acc_top1"], "alone": alone["test"]["acc_top1"], "cpu_seconds": alone["cpu_seconds"]}


# ---- networks

def named(kind, values):
    return {kind + ("_%d" % i if i else ""): v for i, v in enumerate(values)}


def network(depth, width, window):
    n = sum(BLOCKS)
    return {**named("seq", [depth() for _ in BLOCKS]), **named("spa", [width() for _ in range(n)]), **named("ker", [window() for _ in range(n + 1)])}


def networks():
    draw, seen = random.Random(SEED), []
    yield "smallest", network(lambda: DEPTHS[0], lambda: EXPANSIONS[0], lambda: WINDOWS[0])
    yield "largest", network(lambda: DEPTHS[-1], lambda: EXPANSIONS[-1], lambda: WINDOWS[-1])
    while len(seen) < N_RANDOM:
        net = network(lambda: draw.choice(DEPTHS), lambda: draw.choice(EXPANSIONS), lambda: draw.choice(WINDOWS))
        if operators(net) not in seen:
            seen.append(operators(net))
            yield "random %d" % len(seen), net


def operators(net):
    """The same as a list of an operator for each Slot."""
    ops, at = ["MB%dE1" % net["ker"]], 0
    for stage, blocks in enumerate(BLOCKS):
        depth = net["seq" + ("_%d" % stage if stage else "")]
        for block in range(blocks):
            op = "MB%dE%d" % (net["ker_%d" % (at + 1)], net["spa" + ("_%d" % at if at else "")])
            ops.append(op if block < depth else "NIL")
            at += 1
    return "[%s]" % ", ".join(ops)


def tau(x, y):
    """Kendall's tau b."""
    pairs = [((x[i] > x[j]) - (x[i] < x[j]), (y[i] > y[j]) - (y[i] < y[j])) for i in range(len(x)) for j in range(i)]
    tied = [sum(1 for p in pairs if p[k] != 0) for k in (0, 1)]
    return sum(a * b for a, b in pairs) / (tied[0] * tied[1]) ** 0.5 if all(tied) else float("nan")


# ---- the page

def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def lines_of(study, supernet, rows):
    largest, stage = study.size["epochs"]
    yield "%s, %d thread%s. %d epochs of the largest network, then %d stages of %d; %.0f CPU seconds with the search, training a network alone %.0f." % (
        ", ".join("%s %s" % v for v in supernet["versions"].items()), supernet["threads"], "s" * (supernet["threads"] != 1),
        largest, STAGES, stage, supernet["cpu_seconds"], sum(r["cpu_seconds"] for r in rows) / len(rows))
    yield ""
    yield from table(["network", "M multiply-adds", "K params", "shared, statistics anew, %", "shared statistics, %", "alone, %", "anew - alone"],
                     [[r["name"], "%.2f" % (r["macs"] / 1e6), "%.0f" % (r["params"] / 1e3), "%.2f" % (100 * r["pooled"]), "%.2f" % (100 * r["none"]),
                       "%.2f" % (100 * r["alone"]), "%+.2f" % (100 * (r["pooled"] - r["alone"]))] for r in rows])
    yield ""
    of = {k: [r[k] for r in rows] for k in ("pooled", "none", "alone", "macs")}
    yield "Kendall's tau of the %d networks with the order alone: %.2f with statistics anew, %.2f with shared ones; of multiply-adds %.2f." % (
        len(rows), tau(of["pooled"], of["alone"]), tau(of["none"], of["alone"]), tau(of["macs"], of["alone"]))


def write_page(name, text):
    with open(PAGE) as file:
        page = file.read()
    between = re.compile("(<!-- ofa %s -->\n).*?(<!-- /ofa %s -->)" % (name, name), re.S)
    page, n = between.subn(lambda m: m.group(1) + text + "\n" + m.group(2), page)
    if n:
        with open(PAGE, "w") as file:
            file.write(page)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--threads", type=int, help="instead of the file's threads; results depend on it")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time")
    parser.add_argument("--until", help="HH:MM after which no run is begun")
    parser.add_argument("--page", action="store_true", help="begin no run")
    study = Study(parser.parse_args())
    try:
        supernet = study.supernet()
        with concurrent.futures.ThreadPoolExecutor(study.opts.jobs) as pool:
            rows = [r for r in pool.map(study.row, networks()) if r]
    except Late:
        rows = []
    except Failed as failed:
        sys.exit("shrunk.py: %s" % failed)
    if len(rows) < N_RANDOM + 2:
        print("shrunk.py: %d of %d networks are done" % (len(rows), N_RANDOM + 2), file=sys.stderr)
    if rows:
        text = "\n".join(lines_of(study, supernet, rows))
        print(text)
        write_page(study.opts.size, text)
    return 0 if len(rows) == N_RANDOM + 2 else 1


if __name__ == "__main__":
    sys.exit(main())
