#!/usr/bin/env python3
"""Put the figures of `make bench` into docs/performance.md.

    table.py [--print]      build/bench/step.json, kernels.json and scale.json -> the lines between <!-- NAME --> and <!-- /NAME -->

--print shows the tables and leaves the page alone. A table whose JSON is missing stays as it is.
"""
import json
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PAGE = os.path.join(TOP, "docs", "performance.md")


def load(program):
    path = os.path.join(TOP, "build", "bench", program + ".json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def lines_of(head, rows):
    """A table; the first column is text, the others are numbers."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def number(x):
    if x == 0:
        return "0"
    return "%.*f" % (3 if x < 1 else 2 if x < 10 else 1 if x < 100 else 0, x)


def spread(s):
    """median (quartiles); one number where there is no spread."""
    if s["low"] == s["high"]:
        return number(s["median"])
    return "%s (%s–%s)" % (number(s["median"]), number(s["low"]), number(s["high"]))


def machine(data, extra):
    m = data["machine"]
    text = "%s, family %s model %s, %d cores, %s, %.0f GiB, %s %s, %s" % (
        m["cpu"], m["family"], m["model"], m["cores"], m["isa"], float(m["memory"].split()[0]) / 2**20, m["system"],
        m["release"], m["compiler"])
    return "Machine: %s. %s." % (text, extra)


# ---- steps

OTHERS_OF_OURS = ("onednn", "one_thread")  # held against for the sake of a goal; the rest is the original


def goal_rows(goals, models):
    """One line a goal, the models side by side."""
    lines = {}
    for goal in goals:
        key = (goal["text"], goal["of"], goal["limit"])
        lines.setdefault(key, {})[goal["model"]] = goal
    for (text, of, limit), by_model in lines.items():
        cells = ["%s: %s" % (text, of), limit]
        for model in models:
            goal = by_model.get(model)
            cells += [spread(goal["reached"]), goal["verdict"]] if goal else ["", ""]
        yield cells


def step_rows(rows, model, sides, is_first):
    """is_first: with our bound; else only what has such a side."""
    measures = {}
    for row in rows:
        if row["model"] == model:
            measures.setdefault((row["text"], row["unit"]), {})[row["side"]] = row
    for (text, unit), by_side in measures.items():
        if not is_first and not any(side in by_side for side in sides):
            continue
        ours = by_side["modnas"]
        cells = ["%s, %s" % (text, unit), spread(ours["value"])]
        if is_first:
            cells.append(number(ours["bound"]["median"]) if "bound" in ours else "")
            cells.append("%.0f %%" % (100 * ours["share"]["median"]) if "share" in ours else "")
        for side in sides:
            there = by_side.get(side)
            cells += [spread(there["value"]), "**%.2f** (%.2f–%.2f)" % tuple(
                there["ratio"][k] for k in ("median", "low", "high"))] if there else ["", ""]
        yield cells


def step_table(data, model, sides, is_first):
    texts = {row["side"]: row["side_text"] for row in data["rows"]}
    head = ["median (quartiles)", texts["modnas"]] + (["bound", "reached"] if is_first else [])
    for side in sides:
        head += [texts[side], "times ours"]
    yield ""
    yield from lines_of(head, step_rows(data["rows"], model, sides, is_first))


def step(data):
    there = dict.fromkeys(row["side"] for row in data["rows"])
    original = [side for side in there if side != "modnas" and side not in OTHERS_OF_OURS]
    others = [side for side in there if side in OTHERS_OF_OURS]
    models = list(dict.fromkeys(row["model"] for row in data["rows"]))
    yield machine(data, "FMA peak %.0f GFLOP/s with %d threads" % (data["peak_flops"] / 1e9, data["threads"]))
    yield "Batch %d, %d paths, %d repetitions. %s." % (
        data["batch"], data["paths"], data["reps"], "; ".join(dict.fromkeys(data["versions"].values())))
    if data.get("goals"):
        yield ""
        yield "### Goals"
        yield ""
        head = ["median (quartiles)", "goal"]
        for model in models:
            head += [model, ""]
        yield from lines_of(head, goal_rows(data["goals"], models))
    for model in models:
        yield ""
        yield "### " + model
        yield from step_table(data, model, original, True)
        if others:
            yield from step_table(data, model, others, False)


# ---- kernels

def kernel_row(row):
    best = row["value"]["min"]
    cells = [row["kernel"], row["shape"], "%.3f" % (1e3 * row["value"]["median"]), "%.3f" % (1e3 * best)]
    cells.append("%.0f" % (row["flops"] / best / 1e9) if row["flops"] else "")
    cells.append("%.0f" % (row["bytes"] / best / 1e9))
    cells.append("%.0f %%" % (100 * row["bound"] / best))
    direct = row.get("onednn")
    cells += ["%.3f" % (1e3 * direct["min"]), "%.2f" % (direct["min"] / best)] if direct else ["", ""]
    cells.append("%.2f" % (1e3 * row["ref"]) if "ref" in row else "")
    return cells


def kernels(data):
    yield machine(data, "%s, %d threads, caches %s, %d runs; FMA peak %.0f GFLOP/s, memory %.0f GB/s" % (
        data["versions"]["modnas"], data["threads"], "swept" if data["cold"] else "warm", data["runs"],
        data["peak_flops"] / 1e9, list(data["bandwidth"].values())[-1] / 1e9))
    yield ""
    yield from lines_of(["kernel", "shape", "ms", "min", "GFLOP/s", "GB/s", "of bound", "oneDNN ms", "times ours", "ref ms"],
                        map(kernel_row, data["rows"]))


# ---- growth

def scale_rows(rows):
    for row in rows:
        yield ["%s %s" % (row["axis"], row["at"])] + [spread(f) for f in row["figures"].values()]


def scale(data):
    yield machine(data, "%s; %d paths, %d repetitions" % (data["versions"]["modnas"], data["paths"], data["reps"]))
    yield ""
    yield from lines_of(["median (quartiles)"] + ["%s, %s" % (f["text"], f["unit"]) for f in data["rows"][0]["figures"].values()],
                        scale_rows(data["rows"]))


# ---- the page

def main():
    with open(PAGE) as file:
        page = file.read()
    for name, make in (("step", step), ("kernels", kernels), ("scale", scale)):
        data = load(name)
        if data is None:
            print("table.py: there is no build/bench/%s.json: its table stays" % name, file=sys.stderr)
            continue
        text = "\n".join(make(data))
        if "--print" in sys.argv:
            print(text)
        between = re.compile("(<!-- %s -->\n).*?(<!-- /%s -->)" % (name, name), re.S)
        page = between.sub(lambda m: m.group(1) + text + "\n" + m.group(2), page)
    if "--print" not in sys.argv:
        with open(PAGE, "w") as file:
            file.write(page)


if __name__ == "__main__":
    main()
