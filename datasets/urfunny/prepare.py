"""Raw UR-Funny -> the prepared folder. The pickle is read once; no pickle is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import DataError
from datasets.loader import PrepareReport, Progress
from datasets.store.arrays import write_store
from datasets.store.manifest import Manifest, digest_of, read_manifest, up_to_date
from datasets.urfunny.clean import CleanPart, clean, mean_and_deviation
from datasets.urfunny.loader import UrFunny
from datasets.urfunny.raw import FILE, find, missing, read_raw


def prepare_published(
    raw: Sequence[Path], folder: Path, *, progress: Progress, force: bool
) -> PrepareReport:
    """Prepares the published data, unless the folder holds it already; see `registry.prepare`."""
    path = find(raw)
    current = None if force else _current(folder)
    if path is None and current is None:
        raise missing(raw)
    progress("checksum", 0, 0)
    recipe = recipe_of({FILE: sha256_of(path)}) if path else dict(current.recipe)
    if current and current.recipe == recipe:
        return PrepareReport(False, folder, current, notes(current.facts))
    return prepare_file(path, folder, recipe, progress, raw=recipe["raw"], stand_in=False)


def prepare_file(
    path: Path, folder: Path, recipe: Mapping[str, Any], progress: Progress, **about: Any
) -> PrepareReport:
    """Reads, checks, cleans and stores one file; raises DataError, leaving no trace.

    `about` holds the fields `raw` and `stand_in` of the manifest.
    """
    progress("reading", 0, 0)
    raw = read_raw(path)
    progress("cleaning", 0, len(raw))
    parts = {}
    for name in list(raw):
        parts[name] = clean(raw.pop(name), f"{path}, {name}")
        progress("cleaning", len(parts), len(parts) + len(raw))
    progress("writing", 0, 0)
    facts = measured(parts)
    manifest = write_store(
        folder,
        _arrays(parts),
        dataset=UrFunny.spec.name,
        recipe=recipe,
        facts=facts,
        fingerprint=digest_of(recipe),
        **about,
    )
    return PrepareReport(True, folder, manifest, notes(facts))


def recipe_of(raw: Mapping[str, str]) -> dict[str, Any]:
    """All that decides the data: the checksum of the file, or how it was generated."""
    return {"version": UrFunny.recipe_version, "raw": dict(raw)}


def measured(parts: Mapping[str, CleanPart]) -> dict[str, Any]:
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


def notes(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The facts as lines for people."""
    lines = [
        f"{name}: {part['items']} items ({part['funny']} funny) of {part['words']} words; "
        f"{part['dropped']} without text dropped, {part['replaced']} audio values -inf set to 0"
        for name, part in facts["parts"].items()
    ]
    return (*lines, f"the longest item has {facts['longest']} words")


def _arrays(parts: Mapping[str, CleanPart]) -> dict[str, np.ndarray]:
    """<modality>_, offsets_, labels_ and names_<part>, and statistics_<modality>."""
    arrays = {}
    for name, part in parts.items():
        arrays |= {f"{m}_{name}": rows for m, rows in part.inputs.items()}
        arrays[f"offsets_{name}"] = part.offsets
        arrays[f"labels_{name}"] = part.labels
        arrays[f"names_{name}"] = np.array(part.names)
    statistics = {m: mean_and_deviation(rows) for m, rows in parts["train"].inputs.items()}
    return arrays | {f"statistics_{m}": values for m, values in statistics.items()}


def _current(folder: Path) -> Manifest | None:
    """The manifest of undamaged real data of this version, from whatever file."""
    try:
        manifest = read_manifest(folder)
    except DataError:
        return None
    if manifest is None or manifest.stand_in:
        return None
    is_ours = manifest.recipe.get("version") == UrFunny.recipe_version
    return up_to_date(folder, manifest.recipe) if is_ours else None


def sha256_of(path: Path) -> str:
    """The checksum of a file; raises DataError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
