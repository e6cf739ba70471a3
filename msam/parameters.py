"""Checks values against annotations: hyperparameters of a method, keys of a config.

The keyword arguments of a method's `__init__` are the only list of its hyperparameters: their
types say what is allowed (`Literal` for options, `Annotated[float, Interval]` for ranges).
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Interval:
    """The closed range [low, high] of a number."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"at least {self.low:g}"
        return f"from {self.low:g} to {self.high:g}"


Count = Annotated[int, Interval(1)]
NonNegative = Annotated[float, Interval(0)]
Fraction = Annotated[float, Interval(0, 1)]


def hyperparameters(cls: type) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of `cls.__init__`, by name, with their defaults."""
    arguments = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    return {a.name: a for a in arguments if a.kind is inspect.Parameter.KEYWORD_ONLY}


def parameter_problems(cls: type, params: Mapping[str, Any]) -> list[str]:
    """Everything wrong with `params` as hyperparameters of `cls`, one sentence each."""
    hints = get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    allowed = {name: hints.get(name, Any) for name in hyperparameters(cls)}
    return key_problems(params, allowed, cls.__name__, "parameter")


def field_problems(cls: type, values: Mapping[str, Any], where: str) -> list[str]:
    """Everything wrong with `values` as fields of the dataclass `cls`."""
    return key_problems(values, _field_types(cls), where, "key")


@cache  # a report checks a thousand records, and resolving annotations takes longer than the rest
def _field_types(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls, include_extras=True)


def key_problems(
    values: Mapping[str, Any], allowed: Mapping[str, Any], where: str, noun: str
) -> list[str]:
    """Everything wrong with `values` given the annotation of each allowed key."""
    problems = []
    for name, value in values.items():
        if name not in allowed:
            accepted = ", ".join(allowed) or "none"
            hint = nearest(name, allowed)
            problems.append(f"{where} has no {noun} '{name}'{hint}; it accepts: {accepted}")
        elif complaint := complaint_about(value, allowed[name]):
            problems.append(f"{where} {noun} '{name}' is {value!r}; it must be {complaint}")
    return problems


def nearest(word: object, known: Collection[str]) -> str:
    """A hint such as ` (did you mean 'rho'?)`, or nothing when no known word is near."""
    close = get_close_matches(str(word), [str(k) for k in known], n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def complaint_about(value: Any, hint: Any) -> str | None:
    """What `value` must be to fit the annotation `hint`, or None if it does."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return None
    if origin is Literal:
        options = ", ".join(map(str, arguments))
        fits = value in arguments
        return None if fits else f"one of {options}{nearest(value, arguments)}"
    if origin in (Union, types.UnionType):
        complaints = [complaint_about(value, h) for h in arguments]
        return None if None in complaints else " or ".join(filter(None, complaints))
    if origin is Annotated:
        plain, bounds = arguments
        complaint = complaint_about(value, plain)
        return complaint or (None if bounds.low <= value <= bounds.high else str(bounds))
    if origin is tuple and isinstance(value, list | tuple):
        each = (complaint_about(element, arguments[0]) for element in value)
        return next((f"a list, each {c}" for c in each if c), None)
    return _type_complaint(value, origin or hint)


def _type_complaint(value: Any, kind: type) -> str | None:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number and math.isfinite(value) else "a finite number"
    if kind is type(None):
        return None if value is None else "null"
    if is_dataclass(kind):  # its fields are checked where it is built
        return None if isinstance(value, Mapping | kind) else "a mapping"
    if kind is tuple:
        return None if isinstance(value, list | tuple) else "a list"
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return None if fits else _TYPE_NAMES.get(kind, f"a {kind.__name__}")


_TYPE_NAMES = {int: "a whole number", str: "a word", bool: "true or false", Mapping: "a mapping"}
