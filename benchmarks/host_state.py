"""What a method keeps on the host, where the replay of a recorded step changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from msam.method import Method

ON_DEVICE = (Tensor, nn.Module, Optimizer, torch.Generator)
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def host_state(method: Method) -> dict[str, Any]:
    """Every attribute besides tensors, modules, optimisers and generators, in a form that compares.

    Containers and objects are looked into; a tensor in them counts by where it lies.
    """
    kept = {n: value for n, value in vars(method).items() if not isinstance(value, ON_DEVICE)}
    return {name: _comparable(value, frozenset()) for name, value in kept.items()}


def changed_names(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The attributes that differ, that came, or that went."""
    names = sorted(before.keys() | after.keys())
    return [n for n in names if n not in before or n not in after or before[n] != after[n]]


def _comparable(value: Any, above: frozenset[int]) -> Any:
    """`above` holds the containers around the value: one that holds itself ends there."""
    if isinstance(value, PLAIN):
        return repr(value)  # a NaN equals itself
    if isinstance(value, Tensor):
        return value.data_ptr()
    if isinstance(value, ON_DEVICE) or id(value) in above:
        return id(value)
    above |= {id(value)}
    if isinstance(value, Mapping):
        return {repr(key): _comparable(item, above) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return [_comparable(item, above) for item in value]
    return _comparable(vars(value), above) if hasattr(value, "__dict__") else id(value)
