"""Compares what a method keeps on the host, where the replay of a recorded step changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, MappingView, Sequence
from types import MemberDescriptorType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from msam.method import Method

ON_DEVICE = (Tensor, nn.Module, Optimizer, torch.Generator)
PLAIN = (bool, int, float, complex, str, bytes, type(None))
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))  # parameters, buffers, hooks, `training`


def host_state(method: Method) -> dict[str, Any]:
    """Every attribute besides tensors, optimisers and generators, in a form that compares.

    Looks into containers, iterators, random number generators, objects and modules. A tensor in
    them is compared by its address; an object that cannot be looked into, by its identity.
    """
    attributes = _attributes(method)
    kept = {n: value for n, value in attributes.items() if not isinstance(value, ON_DEVICE)}
    for name, value in attributes.items():
        if isinstance(value, nn.Module):
            kept |= {f"{name}.{inner}": v for inner, v in _of_modules(value).items()}
    return {name: _comparable(value, frozenset({id(method)})) for name, value in kept.items()}


def changed_names(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The attributes that differ, are new, or are gone."""
    names = sorted(before.keys() | after.keys())
    return [n for n in names if n not in before or n not in after or before[n] != after[n]]


def _comparable(value: Any, above: frozenset[int]) -> Any:
    """`above` holds the containers around the value: one that holds itself ends there."""
    if isinstance(value, PLAIN):
        return repr(value)  # a NaN equals itself
    if isinstance(value, Tensor):
        return value.data_ptr()
    if isinstance(value, (Optimizer, torch.Generator, type, ModuleType)) or id(value) in above:
        return id(value)
    above |= {id(value)}
    if isinstance(value, nn.Module):
        return id(value), _comparable(_of_modules(value), above)
    if isinstance(value, Mapping):
        return {repr(key): _comparable(item, above) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (Sequence, MappingView)):
        return [_comparable(item, above) for item in value]
    inside = [*filter(None, (_attributes(value), _reduced(value)))]
    return _comparable(inside, above) if inside or hasattr(value, "__dict__") else id(value)


def _attributes(value: Any) -> dict[str, Any]:
    """What lies in the object's `__dict__` and in the `__slots__` of its classes."""
    slots = [
        name
        for cls in type(value).__mro__
        if "__slots__" in vars(cls)
        for name, member in vars(cls).items()
        if isinstance(member, MemberDescriptorType) and hasattr(value, name)
    ]
    return {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in slots}}


def _of_modules(module: nn.Module) -> dict[str, Any]:
    """The attributes of the module and of those within, besides torch's own and tensors."""
    return {
        f"{path}.{name}" if path else name: value
        for path, inner in module.named_modules()
        for name, value in _attributes(inner).items()
        if name not in _OF_EVERY_MODULE and not isinstance(value, Tensor)
    }


def _reduced(value: Any) -> Any:
    """What pickle would store of an object whose class says how: the state of an iterator or of a
    random number generator, which is not an attribute. None if the class does not say."""
    cls = type(value)
    if (cls.__reduce_ex__, cls.__reduce__) == (object.__reduce_ex__, object.__reduce__):
        return None
    try:
        return value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001  it is the class's own code, which may raise anything
        return None
