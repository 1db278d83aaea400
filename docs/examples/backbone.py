#!/usr/bin/env python3
"""A backbone and data of one's own, searched from Python: the host of host_backbone.c in another language.

    pip install bindings/python && python docs/examples/backbone.py"""
import numpy

import modnas
from modnas import ops


@modnas.register
class StripesNet:
    """A stem, three places for candidates, a classifier."""

    def __init__(self, width=8, blocks=3):
        self.width, self.blocks = width, blocks

    def build(self, m):
        m.model.set_input(1, 12, 12)
        m.add("stem", "ConvBNAct", in_channels=1, out_channels=self.width)
        for i in range(self.blocks):
            m.add(f"block{i}", "Slot", chn_in=self.width, chn_out=self.width)
        m.add("fc", "Linear", in_features=self.width, out_features=4)

    def forward(self, m, x):
        x = m["stem"](x)
        for i in range(self.blocks):
            x = x + m[f"block{i}"](x)
        return m["fc"](ops.global_pool(x))


def stripes(n, seed):
    """Stripes in one of four directions, with noise."""
    rng = numpy.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    y, x = numpy.mgrid[0:12, 0:12]
    along = numpy.stack([x, y, x + y, x - y])[labels]
    return numpy.sin(along + rng.uniform(0, 6, (n, 1, 1)))[:, None] + rng.normal(0, 0.5, (n, 1, 12, 12)), labels


modnas.register_data("Stripes", stripes(640, 1))
search = modnas.Search("""
threads: 1
model: StripesNet
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3]}
train_data: Stripes
data_loader: {type: ImageClsDataLoader, args: {trn_batch_size: 32, val_batch_size: 32, valid_ratio: 0.25}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}
optim: RandomSearchOptim
""")
for arch in search.ask(6):
    search.train(arch, 15)  # weights are shared by all paths
    search.tell(arch, search.evaluate(arch))
arch, accuracy = search.best
print(f"{accuracy:.3f}", *arch.as_dict().values())
print(search.export(arch), end="")
