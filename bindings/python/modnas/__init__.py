"""Neural architecture search with libmodnas.

    import modnas
    results = modnas.run("search.yaml")                     # the library's loop
    search = modnas.Search("search.yaml")                   # or one's own
    for arch in search.ask(4):
        search.train(arch, 10)
        search.tell(arch, search.evaluate(arch))
"""
from . import tape as ops
from ._lib import ArgumentError, Canceled, ConfigError, Error, NotFoundError, __version__
from .config import Config
from .context import Context, default_context
from .data import register_data
from .files import bundle, components, devices, inspect, report, verify
from .model import Model, Module
from .registry import register
from .search import Arch, Evaluation, Progress, Search, run
from .tape import Value

__all__ = ["Arch", "ArgumentError", "Canceled", "Config", "ConfigError", "Context", "Error", "Evaluation", "Model", "Module", "NotFoundError", "Progress", "Search",
           "Value", "bundle", "components", "default_context", "devices", "inspect", "ops", "register", "register_data", "report", "run", "verify",
           "__version__"]
