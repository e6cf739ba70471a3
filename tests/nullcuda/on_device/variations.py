"""Every value of every option of a method, read from its annotations."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msam.method import Method
from msam.parameters import hyperparameters

# Values to try of a number; those outside an option's range are left out.
NUMBERS = {float: (0.0, 0.5, 1.0, 3.0), int: (0, 1, 2)}


def variations(method: type[Method], modalities: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The hyperparameters to try: the defaults, each option changed alone, and named settings.

    Raises ValueError for an option of a type that is unknown here.
    """
    yield {}
    changes = list(_single_changes(method, modalities))
    yield from changes
    for setting in ("published", "neutral"):
        params = dict(getattr(method, setting, None) or {})
        if params and params not in changes:
            yield params


def _single_changes(method: type[Method], modalities: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every value of every option but its default."""
    hints = get_type_hints(method.__init__, include_extras=True)
    for name, argument in hyperparameters(method).items():
        found = values_of(hints[name], modalities)
        if not found:
            raise ValueError(f"{method.__name__}: no values to try for {name}: {hints[name]}")
        for value in found:
            if (type(value), value) != (type(argument.default), argument.default):
                yield {name: value}


def values_of(hint: Any, modalities: Sequence[str]) -> list[Any]:
    """Values that fit the annotation: all of a `Literal`, some of a number."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return list(arguments)
    if origin in (Union, types.UnionType):
        return [value for part in arguments for value in values_of(part, modalities)]
    if origin is Annotated:
        kind, interval = arguments
        return [v for v in NUMBERS[kind] if interval.low <= v <= interval.high]
    if origin is Mapping:
        return [dict.fromkeys(modalities, 0.7)]
    plain = {bool: [True, False], float: [0.5, 1.0], int: [1, 2], type(None): [None]}
    return plain.get(hint, [])
