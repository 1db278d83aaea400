#!/usr/bin/env python3
"""An outside sampler drives a search: Optuna proposes, networks are looked up in a table. `pip install optuna bindings/python`

    python docs/examples/optuna_search.py nb201_cifar10.tsv

TABLE.tsv has a column `arch` of six digits, one an edge of the cell, as for docs/examples/table_search.yaml."""
import sys

import modnas
import optuna

table = sys.argv[1]
search = modnas.Search({
    "backend": "none", "seed": 1, "optim": "RandomSearchOptim",
    "construct": {"space": {"type": "TableSpaceConstructor", "args": {"path": table, "arch": "arch"}}},
    "estim": {"search": {"type": "TableEstim", "epochs": 1, "args": {"path": table, "arch": "arch", "score": "c10_val_12ep", "report": "c10_test_full"}}},
})
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
for _ in range(200):
    trial, arch = study.ask(), search.arch()
    for name in arch:
        arch[name] = trial.suggest_categorical(name, arch.options(name))
    metrics = search.evaluate(arch)
    search.tell(arch, metrics)
    study.tell(trial, metrics["c10_val_12ep"])
arch, score = search.best
print(f"{score:.2f}", *arch.as_dict().values())
