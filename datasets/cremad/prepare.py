"""Raw CREMA-D -> the prepared folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.cremad.clip import KEPT_SAMPLES, Outcome, Task
from datasets.cremad.convert import available_cores, convert_all, result_arrays, work_folder
from datasets.cremad.facts import data_fingerprint, measured, notes, raw_sums, refuse_if_many
from datasets.cremad.lists import (
    KINDS,
    PARTS,
    Pointers,
    check_label_list,
    read_pointers,
    read_split_lists,
)
from datasets.cremad.loader import Cremad
from datasets.cremad.raw import RawCremad, find_raw, how_to_get
from datasets.errors import DataError
from datasets.loader import PrepareReport, Progress
from datasets.store.arrays import write_store
from datasets.store.manifest import Manifest, digest_of, file_sha256, up_to_date

Parts = Mapping[str, Sequence[str]]  # published list -> clips


@dataclass(frozen=True)
class Release:
    """`size` (rows, columns) of the stored frames, `image_size` of the square that is trained on.

    The published frames have 360 rows and 480 columns; 256 rows keep what a crop of 224 needs.
    """

    size: tuple[int, int] = (256, 341)
    image_size: int = 224
    identity: Mapping[str, str] = field(default_factory=dict)
    stand_in: bool = False

    @property
    def recipe(self) -> dict[str, Any]:
        """All that decides the data, but for the raw files."""
        return {
            "version": Cremad.recipe_version,
            "size": list(self.size),
            "image_size": self.image_size,
            "samples": KEPT_SAMPLES,
            "raw": dict(self.identity),
        }


PUBLISHED = Release()


def prepare_published(
    places: Sequence[Path], folder: Path, *, progress: Progress, force: bool
) -> PrepareReport:
    """Prepares the published data, unless the folder holds it already; see `registry.prepare`."""
    fetched = folder.parent.parent / "raw" / Cremad.spec.name
    places = list(places) or [place for place in [fetched] if place.is_dir()]
    raw_files = find_raw(places) if places else None
    current = None if force else _current(folder, raw_files)
    if current:
        return PrepareReport(False, folder, current, notes(current.facts))
    if raw_files is None:
        raise DataError(f"CREMA-D must be fetched by hand: {how_to_get()}")
    return prepare_release(raw_files, folder, PUBLISHED, available_cores(), progress)


def prepare_release(
    files: RawCremad, folder: Path, release: Release, processes: int, progress: Progress
) -> PrepareReport:
    """Verifies, converts and stores every clip; raises DataError, keeping finished clips."""
    parts = read_split_lists(files.lists)
    if files.labels:
        check_label_list(files.labels)
    pointers = read_pointers(files.pointers) if files.pointers else {}
    _refuse_missing(files, parts)
    clips = [clip for part in PARTS for clip in parts[part]]
    with work_folder(folder, len(clips), release.size) as work:
        tasks = [_task(clip, files, pointers, release, work) for clip in clips]
        outcomes = convert_all(tasks, processes, progress)
        problems = {o.clip: o.problem for o in outcomes if o.problem}
        refuse_if_many(problems, len(clips), how_to_get())
        used = {part: [c for c in parts[part] if c not in problems] for part in PARTS}
        manifest = write_store(
            folder,
            result_arrays(used, work, release.size),
            **_about(files, release, used, outcomes, pointers),
        )
    return PrepareReport(True, folder, manifest, notes(manifest.facts))


def _current(folder: Path, files: RawCremad | None) -> Manifest | None:
    """The manifest if the folder holds the published release undamaged, made from these lists.

    Where clips were skipped, raw files are read again: they may be whole by now.
    """
    manifest = up_to_date(folder, PUBLISHED.recipe)
    if manifest and files and (manifest.facts["skipped"] or not _same_lists(manifest, files)):
        return None
    return manifest


def _same_lists(manifest: Manifest, files: RawCremad) -> bool:
    return all(manifest.raw.get(name) == sha for name, sha in _list_sums(files).items())


def _list_sums(files: RawCremad) -> dict[str, str]:
    lists = {f"{part}.csv": path for part, path in files.lists.items()}
    if files.pointers:
        lists["official pointers"] = files.pointers
    return {name: file_sha256(path) for name, path in lists.items()}


def _refuse_missing(files: RawCremad, parts: Parts) -> None:
    """Says at once, not after an hour, that most files are not there."""
    clips = [clip for part in PARTS for clip in parts[part]]
    folders = ((clip, kind) for clip in clips for kind in KINDS if (clip, kind) not in files.files)
    missing = {clip: f"{KINDS[kind]}/{clip}.{kind} is missing" for clip, kind in folders}
    refuse_if_many(missing, len(clips), how_to_get())


def _task(clip: str, files: RawCremad, pointers: Pointers, release: Release, work: Path) -> Task:
    chosen = {kind: files.files[clip, kind] for kind in KINDS if (clip, kind) in files.files}
    known = {kind: pointers[clip, kind] for kind in KINDS if (clip, kind) in pointers}
    return Task(clip, chosen, known, release.size, work)


def _about(
    files: RawCremad, release: Release, used: Parts, outcomes: Sequence[Outcome], known: Pointers
) -> dict[str, Any]:
    """The fields of the manifest."""
    return {
        "dataset": Cremad.spec.name,
        "stand_in": release.stand_in,
        "recipe": release.recipe,
        "raw": {**_list_sums(files), "clips": digest_of(raw_sums(outcomes))},
        "facts": measured(used, outcomes, known),
        "fingerprint": data_fingerprint(release.recipe, used, outcomes),
    }
