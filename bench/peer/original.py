"""The original ModularNAS, importable beside a current PyTorch.

PyPI's noah-vega carries it in two folders that expect to be one package named `modnas`. What is changed, all of it from
the outside:

  - `modnas` is made here, over both folders; their own __init__ files would load the whole of Vega
  - the three names of Vega that the original touches become empty stand-ins
  - its registry ignores case and underscores and refuses a name twice, but PyTorch has both LRScheduler and
    _LRScheduler: the first stays
  - its registry answers every attribute that is asked of it with ValueError; Python's own __names__ get an
    AttributeError, as they must
  - it prints the version of cuDNN, which is not there without a GPU
"""
import importlib.util
import logging
import os
import sys
import types
import warnings

FOLDERS = ("algorithms/nas/modnas", "networks/pytorch/customs/modnas")


def _module(name, path=(), **attributes):
    module = types.ModuleType(name)
    module.__path__ = list(path)
    module.__dict__.update(attributes)
    sys.modules[name] = module


def _join():
    spec = importlib.util.find_spec("vega")
    if spec is None:
        raise ImportError("noah-vega is not installed")
    top = list(spec.submodule_search_locations)[0]
    _module("modnas", [os.path.join(top, folder) for folder in FOLDERS], __version__="noah-vega")
    _module("vega")
    _module("vega.common", FileOps=object)
    _module("vega.security")
    _module("vega.security.args", path_verify=lambda path: path)


def _mend_registry():
    from modnas.registry.registry import registry

    register, get = registry.register, registry.get

    def register_first(builder, path, name):
        if registry.get_reg_name(path, name) not in registry._reg_class:
            register(builder, path, name)

    def get_plain(path, name):
        if str(name).startswith("__"):
            raise AttributeError(name)
        return get(path, name)

    registry.register, registry.get = register_first, get_plain


def load():
    """Make `import modnas` work; quiet."""
    warnings.filterwarnings("ignore")
    _join()
    import torch

    torch.backends.cudnn.version = lambda: None
    _mend_registry()
    logging.disable(logging.CRITICAL)


if __name__ == "__main__":  # is it there and does it load?
    load()
    import modnas.utils.predefined
    from modnas.registry.backend import build

    build("torch")
