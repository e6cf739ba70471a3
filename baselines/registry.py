"""The registry: a method's name in configs and on the command line -> its class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msam.method import Method
from msam.model import MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import nearest

METHODS: dict[str, type[Method]] = {}

MethodClass = TypeVar("MethodClass", bound=type[Method])


def register(name: str) -> Callable[[MethodClass], MethodClass]:
    """Class decorator that enters a method under `name`; a second entry raises ValueError."""

    def enter(cls: MethodClass) -> MethodClass:
        if name in METHODS:
            raise ValueError(f"method '{name}' is already registered by {METHODS[name].__name__}")
        METHODS[name] = cls
        return cls

    return enter


def method_class(name: str) -> type[Method]:
    """The class registered under `name`; ValueError with the known names if there is none."""
    if name not in METHODS:
        known = ", ".join(sorted(METHODS))
        raise ValueError(f"no method '{name}'{nearest(name, METHODS)}; known methods: {known}")
    return METHODS[name]


def build_method(name: str, model: MultimodalModel, optim: OptimConfig, **params: Any) -> Method:
    """The method `name` on `model`; ValueError names an unknown method or a wrong parameter."""
    return method_class(name)(model, optim, **params)
