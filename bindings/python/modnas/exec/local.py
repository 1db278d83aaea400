"""python -m modnas.exec.local -c FILE: run a configuration, as ModularNAS' users know it."""
from __future__ import annotations

import argparse
import json
import sys

import modnas


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modnas.exec.local", description="Run a configuration.")
    parser.add_argument("-c", "--config", metavar="FILE", nargs="+", action="extend", required=True, help="YAML files, later ones win")
    parser.add_argument("-n", "--name", help="name of the experiment: its folder is exp/NAME")
    parser.add_argument("-p", "--chkpt", metavar="FILE", help="weights to start from")
    parser.add_argument("-r", "--routine", metavar="SECTION", help="section of the configuration to apply, as search")
    parser.add_argument("-b", "--backend", metavar="NAME", help="auto, ref, dnnl, cudnn")
    parser.add_argument("-d", "--device_ids", metavar="DEVICE", help="device of the backend: cpu, all, 0")
    parser.add_argument("-g", "--arch_desc", metavar="ARCH", help="architecture to build: a file or YAML text")
    parser.add_argument("-o", "--override", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="set a.b.c=value over everything else")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint of the run's folder")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    return parser


def show(p: modnas.Progress) -> None:
    if p.step + 1 == p.steps:
        accuracy = "" if p.acc_top1 != p.acc_top1 else f"  top-1 {p.acc_top1:.4f}"
        print(f"{p.estim} {p.phase}  epoch {p.epoch + 1}/{p.epochs}  loss {p.loss:.4f}{accuracy}  {p.seconds:.1f} s", flush=True)


def main(argv: list[str] | None = None) -> int:
    args = arguments().parse_args(argv)
    try:
        config = modnas.Config(*args.config)
        for key in ("name", "chkpt", "routine", "backend"):
            if getattr(args, key) is not None:
                config.set(key, json.dumps(getattr(args, key)))
        for key in ("device_ids", "arch_desc"):  # YAML
            if getattr(args, key) is not None:
                config.set(key, getattr(args, key))
        for assignment in args.override:
            config.override(assignment)
        results = modnas.run(config, progress=None if args.quiet else show, resume=args.resume)
    except modnas.Error as error:
        print(f"modnas: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for estim, found in (results.get("estim") or {}).items():
        best = found.get("best") if isinstance(found, dict) else None
        if best:
            print(f"{estim}: score {best.get('score')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
