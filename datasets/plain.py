"""The plain layout of a prepared folder: one array per modality and official part.

`<modality>_<part>` (N, *shape) float32 or float16, and `labels_<part>` (N,) uint8 or, with T
segments, (N, T), for the parts `train`, `val` and `test`. A loader that says nothing else stores,
loads and audits its data this way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from datasets.audit.checks import answers, balance, identical, of_parts
from datasets.audit.findings import Finding, Sample
from datasets.errors import DataError
from datasets.spec import THREE_PARTS, DatasetSpec
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Dense

PARTS = ("train", "val", "test")
Part = Mapping[str, np.ndarray]
"""One array per modality, and `labels`."""


def arrays_of(parts: Mapping[str, Part], spec: DatasetSpec) -> dict[str, np.ndarray]:
    """The arrays to store. Raises DataError for a part that disagrees with the spec."""
    if set(parts) != set(PARTS):
        raise DataError(f"{spec.name} has the parts {', '.join(parts)}; need {', '.join(PARTS)}")
    arrays = {}
    for name in PARTS:
        part = {key: np.asarray(values) for key, values in parts[name].items()}
        if set(part) != {*spec.modalities, "labels"}:
            need = ", ".join((*spec.modalities, "labels"))
            raise DataError(f"{spec.name}, {name} has {', '.join(part)}; need {need}")
        for m in spec.modalities:
            arrays[f"{m}_{name}"] = _checked(part[m], spec.shapes[m], f"{spec.name}, {name}, {m}")
        arrays[f"labels_{name}"] = _labels(part["labels"], spec, f"{spec.name}, {name}")
        if {len(array) for array in part.values()} != {len(part["labels"])}:
            found = ", ".join(f"{key} {len(array)}" for key, array in part.items())
            raise DataError(f"{spec.name}, {name}: the numbers of samples differ: {found}")
    return arrays


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, modalities: Sequence[str], protocol: str
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split."""
    stored = THREE_PARTS[protocol]
    parts = {}
    for part in sorted({*stored.values()}):
        names = [f"{name}_{part}" for name in (*modalities, "labels")]
        arrays = read_arrays(folder, manifest, remedy, names).values()
        *inputs, labels = map(torch.from_numpy, arrays)
        sources = {m: Dense(values) for m, values in zip(modalities, inputs, strict=True)}
        parts[part] = SplitTensors(sources, labels.long())
    rows = {s: [f"{part}:{row}" for row in range(len(parts[part]))] for s, part in stored.items()}
    return [parts[part] for part in stored.values()], split_fingerprint(**rows)


def findings(
    folder: Path, manifest: Manifest, remedy: str, modalities: Sequence[str]
) -> list[Finding]:
    """Classes per split, samples that are byte-identical, and how epochs are chosen."""
    arrays = read_arrays(folder, manifest, remedy)
    parts = {part: _samples(arrays, modalities, part) for part in PARTS}
    checks = [balance, *(partial(identical, kind=m) for m in modalities)]
    return answers(of_parts(parts), checks)  # type: ignore[arg-type]


def _samples(arrays: Part, modalities: Sequence[str], part: str) -> list[Sample]:
    labels = arrays[f"labels_{part}"]
    rows = labels.reshape(len(labels), -1).tolist()
    return [
        Sample(
            f"{part}:{row}",
            tuple(map(str, own)),
            digests={m: hashlib.sha256(arrays[f"{m}_{part}"][row]).hexdigest() for m in modalities},
        )
        for row, own in enumerate(rows)
    ]


def _checked(array: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    if array.dtype not in (np.float32, np.float16) or array.shape[1:] != shape:
        found = f"{array.dtype} {array.shape}"
        raise DataError(f"{where} is {found}; need float32 or float16 (N, *{shape})")
    if not np.isfinite(array).all():
        raise DataError(f"{where} holds NaN or infinite values")
    return np.ascontiguousarray(array)


def _labels(array: np.ndarray, spec: DatasetSpec, where: str) -> np.ndarray:
    per_sample = () if spec.segments == 1 else (spec.segments,)
    if array.dtype.kind not in "iu" or array.shape[1:] != per_sample or not array.size:
        raise DataError(f"{where}: labels are {array.dtype} {array.shape}; need whole numbers")
    if not 0 <= array.min() <= array.max() < min(spec.classes, 256):
        found = f"{array.min()} to {array.max()}"
        raise DataError(f"{where}: labels go from {found}; need 0 to {spec.classes - 1}")
    return array.astype(np.uint8)
