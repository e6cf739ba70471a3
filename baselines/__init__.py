"""The methods of the tables. Importing the package registers every module in this folder."""

from importlib import import_module
from pkgutil import iter_modules

from baselines.registry import METHODS, build_method, method_class, register
from msam.msam import MSAM

register("msam")(MSAM)
for _module in iter_modules(__path__):
    if _module.name.isidentifier():  # not `agm (1).py` or `agm copy.py`, which a person left
        import_module(f"{__name__}.{_module.name}")

__all__ = ["METHODS", "build_method", "method_class", "register"]
