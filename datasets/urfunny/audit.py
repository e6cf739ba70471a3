"""Audit of UR-Funny: sizes, talks in several splits, equal punchlines; from the prepared folder.

The raw file is one pickle of gigabytes, so it is not read a second time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from datasets.audit.checks import answers, balance, identical, of_parts, repeated, shared
from datasets.audit.findings import Check, Finding, Sample
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest

PARTS = ("train", "val", "test")
LABELS = ("not funny", "funny")
_STORED = ("names", "labels", "offsets", "text")


def findings(prepared: Path, manifest: Manifest, remedy: str) -> Iterator[Finding]:
    """Everything from the prepared folder."""
    parts = {part: _samples(prepared, manifest, remedy, part) for part in PARTS}
    yield from sample_findings(parts)
    yield dropped(manifest)


def sample_findings(parts: Mapping[str, Sequence[Sample]]) -> Iterator[Finding]:
    """What the items of the official parts tell, under each protocol."""
    talks = all("talk" in sample.groups for samples in parts.values() for sample in samples)
    checks: list[Check] = [repeated, balance, partial(identical, kind="text")]
    checks += [partial(shared, kind="talk")] if talks else []
    yield from answers(of_parts(parts), checks)
    if not talks:
        yield Finding("talks", "not checked", "the items' names, which do not say their talk")


def dropped(manifest: Manifest) -> Finding:
    """What the preparation dropped and replaced."""
    parts = manifest.facts["parts"]
    numbers = {p: {k: parts[p][k] for k in ("items", "dropped", "replaced")} for p in parts}
    listed = ", ".join(f"{p} {n['dropped']}" for p, n in numbers.items())
    values = sum(n["replaced"] for n in numbers.values())
    changed = values or any(n["dropped"] for n in numbers.values())
    text = f"items without text that were dropped: {listed}; audio values -inf set to 0: {values}"
    return Finding("dropped items", "note" if changed else "ok", text, numbers)


def sample_of(name: str, label: int, words: np.ndarray) -> Sample:
    """An item; words (L, 300). A name of several parts starts with its talk."""
    groups = {"talk": name.split(",")[0]} if "," in name else {}
    digest = hashlib.sha256(words.tobytes()).hexdigest()
    return Sample(name, (LABELS[label],), groups, {"text": digest})


def named(names: Sequence[str], part: str, rows: int) -> list[str]:
    """The names, with the part in front where they only number its `rows` (0, 1, ...)."""
    if set(names) <= set(map(str, range(rows))):
        return [f"{part}:{name}" for name in names]
    return list(names)


def _samples(folder: Path, manifest: Manifest, remedy: str, part: str) -> list[Sample]:
    stored = [f"{kind}_{part}" for kind in _STORED]
    arrays = read_arrays(folder, manifest, remedy, stored)
    names, labels, offsets, text = arrays.values()
    words = (text[first:last] for first, last in pairwise(offsets.tolist()))
    rows = len(names) + manifest.facts["parts"][part]["dropped"]
    own = named(list(map(str, names.tolist())), part, rows)
    return [
        sample_of(name, label, item)
        for name, label, item in zip(own, labels.tolist(), words, strict=True)
    ]
