#!/usr/bin/env python3
"""The collapse alarm, counted: DARTS of first order in a space with identities, where it collapses and where it does not.

    python3 bench/collapse.py [--modnas build/release/modnas] [--seeds 20] [--cifar FILE]

Each line is one search: identities in the derived network, of how many Slots, their chance in a choice at random, entropy, alarm. With --cifar, a
file of CIFAR-10 records (data_batch_1.bin), the same on images; else random ones with random labels.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

BASE = """
backend: %s
threads: 1
name: c
model: {type: MobileNetV2, args: {cfgs: %s, n_classes: %d, width_coeff: %s, dropout_rate: %s, input: %s}}
mixed_op: {type: SoftmaxSumMixedOp, candidates: [NC3, SS3, SS5, IDT]}
train_data: %s
data_loader: %s
trainer: {default: {type: ImageClsTrainer, args: %s}}
optim: {type: DARTSOptim, args: {second_order: false, a_optim: {type: Adam, args: {lr: %s}}}}
estim: {search: {type: SuperNetEstim, epochs: %d, baseline: false}}
ops: {ops_order: %s}
"""


def random_images(order, rate):
    return BASE % ("ref", "[[0, 8, 1, 1], [1, 8, 12, 1]]", 4, 0.1, 0.2, "[1, 6, 6]",
                   "{type: RandData, args: {shape: [1, 6, 6], classes: 4, data_size: 48}}",
                   "{type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 16, valid_size: 16}}",
                   "{optimizer: {type: SGD, args: {lr: %s, momentum: 0.9}}}" % rate, 0.1, 30, order)


def cifar(path, order, rate):
    return BASE % ("dnnl", "[[0, 16, 1, 2], [1, 16, 1, 2], [1, 16, 12, 1]]", 10, 1.0, 0, "[3, 32, 32]",
                   "{type: ImageClsData, args: {dataset: cifar10, files: [%s], augment: {}}}" % path,
                   "{type: ImageClsDataLoader, args: {trn_batch_size: 64, val_batch_size: 64, train_size: 640, valid_size: 320}}",
                   "{optimizer: {type: SGD, args: {lr: %s, momentum: 0.9, weight_decay: 3.0e-4}}, "
                   "lr_scheduler: CosineAnnealingLR, w_grad_clip: 5.0}" % rate, 0.03, 8, order)


def search(modnas, folder, text, seed):
    (folder / "c.yaml").write_text(text)
    subprocess.run([modnas, "run", "-c", "c.yaml", "--seed", str(seed), "--quiet"], cwd=folder, check=True)
    return json.loads((folder / "exp/c/outputs/results.json").read_text())["estim"]["search"]["collapse"]


def count(modnas, name, text, seeds):
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, seeds + 1):
            c = search(modnas, pathlib.Path(folder), text, seed)
            found.append(c)
            print(f"{name}  {seed:2}  {c['parameter_free']:2} of {c['of']}  p {c['p']:.2g}  entropy {c['entropy']:.3f}  "
                  f"{'alarm' if c['alarm'] else '-'}", flush=True)
    free = [c["parameter_free"] for c in found]
    print(f"{name}: alarm in {sum(c['alarm'] for c in found)} of {seeds}; identities {min(free)} to {max(free)}, "
          f"mean {sum(free) / seeds:.1f} of {found[0]['of']}, {found[0]['expected']:g} by chance")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--modnas", default="build/release/modnas")
    p.add_argument("--seeds", type=int, default=20)
    p.add_argument("--cifar")
    a = p.parse_args()
    modnas = str(pathlib.Path(a.modnas).resolve())
    pairs = [("collapsing", "act_weight_bn", 0.2), ("healthy", "bn_act_weight", 0.05)]
    make = random_images
    if a.cifar:
        path = pathlib.Path(a.cifar).resolve()
        pairs = [("collapsing", "weight_bn_act", 0.025), ("healthy", "act_weight_bn", 0.2)]
        make = lambda order, rate: cifar(path, order, rate)
    for name, order, rate in pairs:
        count(modnas, name, make(order, rate), a.seeds)


main()
