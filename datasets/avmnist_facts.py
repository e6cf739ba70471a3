"""What a preparation of AV-MNIST measures on its own arrays, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.manifest import digest_of
from datasets.release import PARTS

IDENTIFYING = ("labels", "clip_digits", "aligned", "scrambled")

Arrays = Mapping[str, np.ndarray]


def data_fingerprint(recipe: Mapping[str, Any], arrays: Arrays) -> str:
    """Identifies the prepared data, equally on every machine (64 hex digits).

    Covers the recipe, in which the raw files are pinned, and the whole-number arrays. Pictures and
    PCA follow from these but for the last digit of FFT, logarithm and eigenvectors, which may
    differ between machines. The number of components is left out: fewer are a slice of more.
    """
    shared = {key: value for key, value in recipe.items() if key != "components"}
    names = [f"{kind}_{part}" for kind in IDENTIFYING for part in PARTS]
    return digest_of([shared, {name: _digest(arrays[name]) for name in names}])


def measured(arrays: Arrays) -> dict[str, Any]:
    """Rows and recordings per split, and what scrambling did, as shares in [0, 1] of the rows."""
    facts: dict[str, Any] = {"rows": {}, "clips": {}, "scrambled": {}}
    for part in PARTS:
        labels, scrambled = arrays[f"labels_{part}"], arrays[f"scrambled_{part}"]
        spoken = arrays[f"clip_digits_{part}"][scrambled]
        facts["rows"][part] = len(labels)
        facts["clips"][part] = len(arrays[f"audio_{part}"])
        facts["scrambled"][part] = {
            "in_place": _share(scrambled == arrays[f"aligned_{part}"]),
            "same_label": _share(spoken == labels),
        }
    return facts


def notes(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The facts as lines for people."""
    lines = []
    for part in PARTS:
        moved = facts["scrambled"][part]
        lines.append(
            f"{part}: {facts['rows'][part]} images, {facts['clips'][part]} recordings; scrambled: "
            f"{100 * moved['in_place']:.1f} % of rows keep their recording, "
            f"{100 * moved['same_label']:.1f} % one of the right digit"
        )
    return tuple(lines)


def _digest(array: np.ndarray) -> str:
    # The values' bytes in a fixed type: neither byte order nor the .npy header may matter.
    return hashlib.sha256(array.astype("<i4").tobytes()).hexdigest()


def _share(hits: np.ndarray) -> float:
    return round(float(hits.mean()), 4)
