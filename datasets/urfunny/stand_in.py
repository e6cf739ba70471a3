"""Stand-in UR-Funny: a small generated `humor.pkl`, which passes through the real preparation.

Whether an item is funny shows as a shift along one direction per modality, in every word and under
noise of the item's own. Text shows it best, but each modality errs on other items: all three
together are better than text. The file has the known blemishes: zeros in front, items without text,
-inf in the sound, labels of shape (N, 1).
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from datasets.urfunny.spec import KEYS, PARTS, SPEC, STAND_IN_WORDS

ITEMS = {"train": 516, "val": 162, "test": 482}
SHORTEST = 3
SHIFTS = {"audio": 0.6, "visual": 0.7, "text": 0.95}
"""Distance of a class from the middle, where an item's own noise has standard deviation 1."""

MEAN = 1.5
WORD_NOISE = 0.3
FEATURE_NOISE = 0.1


def write_raw(path: Path, seed: int) -> None:
    """Writes a file in MultiBench's layout."""
    path.write_bytes(pickle.dumps(content(seed), protocol=4))


def content(seed: int) -> dict[str, dict[str, Any]]:
    """What such a file holds."""
    random = np.random.RandomState(seed)
    widths = {m: width for m, (_, width) in SPEC.shapes.items()}
    directions = {m: random.standard_normal((2, width)) for m, width in widths.items()}
    return {theirs: _part(ITEMS[ours], directions, random) for ours, theirs in PARTS.items()}


def _part(
    count: int, directions: dict[str, np.ndarray], random: np.random.RandomState
) -> dict[str, Any]:
    """`count` items, of which the last few have blemishes."""
    labels = random.permutation(np.arange(count) % 2)
    first = random.randint(0, STAND_IN_WORDS - SHORTEST + 1, (count, 1))
    is_word = np.arange(STAND_IN_WORDS) >= first
    part: dict[str, Any] = {
        KEYS[m]: _features(labels, is_word, direction, SHIFTS[m], random)
        for m, direction in directions.items()
    }
    part["text"][-2:] = 0
    part["audio"][-6:-2, -1, 0] = -np.inf
    return part | {"labels": labels[:, None].astype(np.float32), "id": np.arange(count)}


def _features(
    labels: np.ndarray,
    is_word: np.ndarray,
    direction: np.ndarray,
    shift: float,
    random: np.random.RandomState,
) -> np.ndarray:
    """(N, L, D) float32, zeros in front; direction (2, D): the mean, and what being funny adds."""
    evidence = shift * (2 * labels - 1) + random.standard_normal(len(labels))
    by_word = evidence[:, None] + WORD_NOISE * random.standard_normal(is_word.shape)
    noise = FEATURE_NOISE * random.standard_normal((*is_word.shape, direction.shape[1]))
    # Without a mean, layer normalisation would keep the sign of the evidence and not its size.
    features = MEAN * direction[0] + by_word[..., None] * direction[1] + noise
    return (features * is_word[..., None]).astype(np.float32)
