"""Raw UR-Funny -> the arrays to store, cleaned as the published code does.

AGM_ICCV2023@5a65542, dataloader/URFunny_loader.py:86-162: no item without text, no -inf in the
sound, no padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.errors import DataError
from datasets.urfunny.raw import RawPart

BLOCK = 256  # items or rows at a time: no second copy of a large array


@dataclass(frozen=True)
class CleanPart:
    """K items that have text, cut at their first word.

    inputs {modality: (R, D) float32}: the words of all items, one behind the other. offsets
    (K + 1,) int64: item k has rows offsets[k] to offsets[k + 1] - 1. `dropped` items had no text;
    `replaced` values of the sound were -inf.
    """

    inputs: dict[str, np.ndarray]
    offsets: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    dropped: int
    replaced: int


def clean(part: RawPart, where: str) -> CleanPart:
    """Drops, cuts and replaces; raises DataError where NaN or infinite values remain."""
    words = part.inputs["text"].shape[1]
    starts = first_words(part.inputs["text"])
    kept = np.flatnonzero(starts < words)
    if not len(kept):
        raise DataError(f"{where}: not one of {len(starts)} items has text")
    lengths = words - starts[kept]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    inputs = {m: _without_padding(x, kept, starts, offsets) for m, x in part.inputs.items()}
    names = tuple(part.names[item] for item in kept)
    is_missing = np.isneginf(inputs["audio"])
    inputs["audio"][is_missing] = 0
    for modality, rows in inputs.items():
        _refuse_non_finite(rows, offsets, names, f"{where}, {modality}")
    dropped, replaced = len(starts) - len(kept), int(is_missing.sum())
    return CleanPart(inputs, offsets, part.labels[kept], names, dropped, replaced)


def first_words(text: np.ndarray) -> np.ndarray:
    """The first word of each item (N, L, D) that is not all zeros: (N,), L where none is."""
    found = [(text[block] != 0).any(2) for block in _blocks(len(text))]
    is_word = np.concatenate(found)
    return np.where(is_word.any(1), is_word.argmax(1), text.shape[1])


def mean_and_deviation(rows: np.ndarray) -> np.ndarray:
    """Of every feature (R, D): (2, D) float32. A constant feature has deviation 1, not 0."""
    mean = rows.mean(0, dtype=np.float64)
    squares = sum(((rows[b] - mean) ** 2).sum(0) for b in _blocks(len(rows)))
    deviation = np.sqrt(squares / len(rows))
    return np.stack([mean, np.where(deviation > 0, deviation, 1)]).astype(np.float32)


def arrays_of(parts: Mapping[str, CleanPart]) -> dict[str, np.ndarray]:
    """<modality>_, offsets_, labels_ and names_<part>, and statistics_<modality>."""
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        arrays |= {f"{m}_{name}": rows for m, rows in part.inputs.items()}
        arrays[f"offsets_{name}"] = part.offsets
        arrays[f"labels_{name}"] = part.labels
        arrays[f"names_{name}"] = np.array(part.names)
    statistics = {m: mean_and_deviation(rows) for m, rows in parts["train"].inputs.items()}
    return arrays | {f"statistics_{m}": values for m, values in statistics.items()}


def facts_of(parts: Mapping[str, CleanPart]) -> dict[str, Any]:
    """Items of each part, and the words of the longest item of all."""
    facts: dict[str, Any] = {"parts": {}, "longest": 0}
    for name, part in parts.items():
        facts["parts"][name] = {
            "items": len(part.labels),
            "funny": int(part.labels.sum()),
            "words": int(part.offsets[-1]),
            "dropped": part.dropped,
            "replaced": part.replaced,
        }
        facts["longest"] = max(facts["longest"], int(np.diff(part.offsets).max()))
    return facts


def _without_padding(
    array: np.ndarray, kept: np.ndarray, starts: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    rows = np.empty((offsets[-1], array.shape[2]), np.float32)
    # A float64 too large for float32 becomes infinite, which is refused with its name.
    with np.errstate(over="ignore"):
        for item, first, last in zip(kept, offsets, offsets[1:], strict=False):
            rows[first:last] = array[item, starts[item] :]
    return rows


def _refuse_non_finite(
    rows: np.ndarray, offsets: np.ndarray, names: tuple[str, ...], where: str
) -> None:
    wrong = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(wrong):
        item = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
        raise DataError(
            f"{where}: NaN or infinite values in {len(wrong)} words, first in item "
            f"{names[item]!r:.80}; only -inf in audio is known, and replaced by 0"
        )


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))
