"""Reads MultiBench's `humor.pkl`: three parts of word-aligned sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import DataError
from datasets.raw.unpickle import PLAIN, unpickle
from datasets.urfunny.spec import KEYS, PARTS, SPEC

Fields = Mapping[Any, Any]


@dataclass(frozen=True)
class RawPart:
    """N items: {modality: (N, L, D) floating}, zeros in front; labels (N,) 0 or 1; N names."""

    inputs: dict[str, np.ndarray]
    labels: np.ndarray
    names: tuple[str, ...]


def read_raw(path: Path) -> dict[str, RawPart]:
    """The parts `train`, `val` and `test`; raises DataError naming what does not fit."""
    content = _fields(unpickle(path), tuple(PARTS.values()), str(path))
    return {ours: _part(content[name], f"{path}, {name}") for ours, name in PARTS.items()}


def _fields(value: Any, keys: Sequence[str], where: str) -> Fields:
    """The value, which must be a dict with these keys."""
    if not isinstance(value, dict):
        raise DataError(f"{where} is a {type(value).__name__}; need a dict with {', '.join(keys)}")
    if absent := [key for key in keys if key not in value]:
        found = ", ".join(str(key)[:40] for key in list(value)[:8]) or "nothing"
        raise DataError(f"{where} has no {' and no '.join(absent)}; it has {found}")
    return value


def _part(value: Any, where: str) -> RawPart:
    fields = _fields(value, (*KEYS.values(), "labels", "id"), where)
    widths = {m: width for m, (_, width) in SPEC.shapes.items()}
    inputs = {m: _features(fields[key], widths[m], f"{where}, {key}") for m, key in KEYS.items()}
    sizes = {KEYS[m]: array.shape[:2] for m, array in inputs.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"{where}: items and words (N, L) differ: {sizes}")
    count, words = next(iter(sizes.values()))
    if not count or not words:
        raise DataError(f"{where} is empty: {count} items of {words} words")
    labels = _labels(fields["labels"], count, f"{where}, labels")
    return RawPart(inputs, labels, _names(fields["id"], count, f"{where}, id"))


def _features(value: Any, width: int, where: str) -> np.ndarray:
    array = _array(value, where)
    if array.dtype.kind != "f" or array.ndim != 3 or array.shape[2] != width:
        found = f"{array.dtype} {array.shape}"
        raise DataError(f"{where} is {found}; need floating point (N, L, {width})")
    return array


def _labels(value: Any, count: int, where: str) -> np.ndarray:
    """(N,), (N, 1) or (N, 1, 1) of -1, 0 and 1 -> (N,) uint8: 1 is funny, all less is not."""
    array = _array(value, where)
    if array.dtype.kind not in "fiub" or array.shape not in [(count,) + (1,) * n for n in range(3)]:
        raise DataError(f"{where} are {array.dtype} {array.shape}; need one number for {count}")
    if others := sorted({*array.flatten().tolist()} - {-1, 0, 1}):
        raise DataError(f"{where} hold {others[0]}; known are -1, 0 and 1")
    return (array.reshape(count) >= 1).astype(np.uint8)


def _names(value: Any, count: int, where: str) -> tuple[str, ...]:
    """One name an item; those of several parts (video, start, end) are joined."""
    is_list = isinstance(value, list) and all(type(name) in PLAIN for name in value)
    array = _array(np.array(value, object) if is_list else value, where)
    if array.ndim not in (1, 2) or len(array) != count:
        raise DataError(f"{where} is {array.dtype} {array.shape}; need one for each of {count}")
    return tuple(",".join(map(_text, row)) for row in array.reshape(count, -1).tolist())


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _array(value: Any, where: str) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise DataError(f"{where} is a {type(value).__name__}; need a numpy array")
    return value
