"""Raw CREMA-D -> the prepared folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from datasets.cremad.clip import KEPT_SAMPLES, Outcome, Task
from datasets.cremad.convert import convert_all, result_arrays, work_folder
from datasets.cremad.raw import (
    OFFICIAL,
    POINTERS,
    Pointers,
    RawCremad,
    check_label_list,
    find_raw,
    how_to_get,
    read_pointers,
    read_split_lists,
)
from datasets.cremad.spec import (
    IMAGE_SIZE,
    KINDS,
    NAME,
    PARTS,
    RECIPE_VERSION,
    STAND_IN_IMAGE_SIZE,
)
from datasets.errors import DataError
from datasets.spec import Progress
from datasets.store.arrays import write_store
from datasets.store.manifest import Manifest, digest_of, file_sha256, up_to_date

MAX_SKIPPED = 0.1
"""With a greater share of unusable clips the rest is not CREMA-D any more."""

OUTLIER = 3
"""Videos this many times larger or smaller than the median are reported."""

SHOWN = 5
Parts = Mapping[str, Sequence[str]]  # published list -> clips


@dataclass(frozen=True)
class Release:
    """`size` (rows, columns) of the stored frames, `image_size` of the square that is trained on.

    The published frames have 360 rows and 480 columns; 256 rows keep what a crop of 224 needs.
    `pointers` is the list of official sizes and checksums, if there is one.
    """

    size: tuple[int, int] = (256, 341)
    image_size: int = IMAGE_SIZE
    identity: Mapping[str, str] = field(default_factory=dict)
    stand_in: bool = False
    pointers: Path | None = None

    @property
    def recipe(self) -> dict[str, Any]:
        """All that decides the data, but for the raw files."""
        return {
            "version": RECIPE_VERSION,
            "size": list(self.size),
            "image_size": self.image_size,
            "samples": KEPT_SAMPLES,
            "raw": dict(self.identity),
        }


PUBLISHED = Release(pointers=OFFICIAL)


def stand_in_release(identity: Mapping[str, str]) -> Release:
    """Small frames of generated files, which `identity` stands for."""
    return Release((64, 85), STAND_IN_IMAGE_SIZE, identity, stand_in=True)


@dataclass(frozen=True)
class Material:
    """What one preparation reads: raw files, both published lists, and the official sums."""

    release: Release
    files: RawCremad
    parts: Parts
    pointers: Pointers

    @property
    def clips(self) -> list[str]:
        """All clips, in the order of the lists."""
        return [clip for part in PARTS for clip in self.parts[part]]


def read_material(places: Sequence[Path], release: Release) -> Material:
    """Finds the files and reads the lists; raises DataError for a missing or wrong list."""
    files = find_raw(places)
    parts = read_split_lists(files.lists)
    if files.labels:
        check_label_list(files.labels)
    sums = files.pointers or release.pointers
    return Material(release, files, parts, read_pointers(sums) if sums else {})


def prepare_release(
    places: Sequence[Path], folder: Path, release: Release, processes: int, progress: Progress
) -> Manifest:
    """Verifies, converts and stores every clip; raises DataError, keeping finished clips."""
    material = read_material(places, release)
    _refuse_missing(material)
    return prepare_material(material, material.clips, folder, processes, progress)


def prepare_material(
    material: Material, ready: Iterable[str], folder: Path, processes: int, progress: Progress
) -> Manifest:
    """As `prepare_release`. `ready` names each clip as soon as its files are there."""
    clips, size = material.clips, material.release.size
    with work_folder(folder, len(clips), size) as work:
        tasks = (_task(clip, material, work) for clip in ready)
        done = {o.clip: o for o in convert_all(tasks, len(clips), processes, progress)}
        outcomes = [done[clip] for clip in clips]
        problems = {o.clip: o.problem for o in outcomes if o.problem}
        refuse_if_many(problems, len(clips))
        used = {part: [c for c in material.parts[part] if c not in problems] for part in PARTS}
        return write_store(
            folder, result_arrays(used, work, size), **_about(material, used, outcomes)
        )


def current(places: Sequence[Path], folder: Path) -> Manifest | None:
    """The manifest if the folder holds the published release undamaged, made from these lists.

    Where clips were skipped, raw files are read again: they may be whole by now.
    """
    manifest = up_to_date(folder, PUBLISHED.recipe)
    if manifest and places:
        changed = not _same_lists(manifest, find_raw(places))
        return None if changed or manifest.facts["skipped"] else manifest
    return manifest


def _same_lists(manifest: Manifest, files: RawCremad) -> bool:
    return all(manifest.raw.get(name) == sha for name, sha in _list_sums(files).items())


def _list_sums(files: RawCremad) -> dict[str, str]:
    lists = {f"{part}.csv": path for part, path in files.lists.items()}
    if files.pointers:
        lists["official pointers"] = files.pointers
    return {name: file_sha256(path) for name, path in lists.items()}


def _refuse_missing(material: Material) -> None:
    """Fails at once, rather than after an hour, if most files are missing."""
    clips, there = material.clips, material.files.files
    folders = ((clip, kind) for clip in clips for kind in KINDS if (clip, kind) not in there)
    missing = {clip: f"{KINDS[kind]}/{clip}.{kind} is missing" for clip, kind in folders}
    refuse_if_many(missing, len(clips), how_to_get())


def _task(clip: str, material: Material, work: Path) -> Task:
    files, pointers = material.files.files, material.pointers
    chosen = {kind: files[clip, kind] for kind in KINDS if (clip, kind) in files}
    known = {kind: pointers[clip, kind] for kind in KINDS if (clip, kind) in pointers}
    return Task(clip, chosen, known, material.release.size, work)


def _about(material: Material, used: Parts, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The fields of the manifest."""
    recipe = material.release.recipe
    return {
        "dataset": NAME,
        "stand_in": material.release.stand_in,
        "recipe": recipe,
        "raw": {**_list_sums(material.files), "clips": digest_of(raw_sums(outcomes))},
        "facts": facts_of(used, outcomes, material.pointers),
        "fingerprint": data_fingerprint(recipe, used, outcomes),
    }


def refuse_if_many(problems: Mapping[str, str], clips: int, remedy: str = "") -> None:
    """Raises DataError, with the first problem, if too many clips cannot be used.

    `remedy` is for problems that do not say what to do.
    """
    if len(problems) <= MAX_SKIPPED * clips:
        return
    clip, problem = next(iter(problems.items()))
    told = f"{len(problems)} of {clips} clips cannot be used, first {clip}: {problem}"
    raise DataError(f"{told}; {remedy}" if remedy else told)


def facts_of(used: Parts, outcomes: Sequence[Outcome], known: Pointers) -> dict[str, Any]:
    """Clips per published list, the skipped ones with the reason, oddities among the others."""
    clips = [clip for part in used.values() for clip in part]
    return {
        "rows": {part: len(clips) for part, clips in used.items()},
        "skipped": {o.clip: o.problem for o in outcomes if o.problem},
        "unverified": len([c for c in clips if not all((c, kind) in known for kind in KINDS)]),
        "same_sound": _same_sound(outcomes),
        "outliers": _outliers(outcomes),
    }


def notes(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The facts as lines for people."""
    rows, skipped = facts["rows"], facts["skipped"]
    lines = [
        f"{rows['train']} clips of train.csv, {rows['test']} of test.csv, {len(skipped)} skipped"
    ]
    lines += [f"skipped {clip}: {why}" for clip, why in list(skipped.items())[:SHOWN]]
    if len(skipped) > SHOWN:
        lines.append(f"... and {len(skipped) - SHOWN} more, all in manifest.json")
    if facts["unverified"]:
        reason = f"no {POINTERS[0]} with them was found"
        lines.append(
            f"{facts['unverified']} clips NOT verified against official checksums: {reason}"
        )
    else:
        lines.append("every file has the official size and sha256")
    lines += [f"kept though their sound is the same: {', '.join(x)}" for x in facts["same_sound"]]
    lines += [f"kept though its video has {n} bytes: {c}" for c, n in facts["outliers"].items()]
    return tuple(lines)


def data_fingerprint(recipe: Mapping[str, Any], used: Parts, outcomes: Sequence[Outcome]) -> str:
    """Identifies the prepared data, equally on every machine (64 hex digits).

    Covers the recipe, the order of the clips and the sha256 of their raw files. What is made of
    these may differ in a last bit between versions of the video decoder.
    """
    return digest_of(
        [recipe, {part: list(clips) for part, clips in used.items()}, raw_sums(outcomes)]
    )


def raw_sums(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The sha256 sums of the raw files by clip."""
    return {o.clip: dict(o.sha256) for o in outcomes if not o.problem}


def _same_sound(outcomes: Sequence[Outcome]) -> list[list[str]]:
    clips = defaultdict(list)
    for outcome in outcomes:
        if not outcome.problem:
            clips[outcome.sha256["wav"]].append(outcome.clip)
    return sorted(sorted(same) for same in clips.values() if len(same) > 1)


def _outliers(outcomes: Sequence[Outcome]) -> dict[str, int]:
    sizes = {o.clip: o.bytes["flv"] for o in outcomes if not o.problem}
    middle = median(sizes.values())
    return {
        clip: size
        for clip, size in sorted(sizes.items())
        if not middle / OUTLIER <= size <= middle * OUTLIER
    }
