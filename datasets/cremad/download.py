"""CREMA-D file by file from its official address, prepared while it comes.

Only for users who say that they accept the licence. Every file is checked against the size and
sha256 that the pointers of the official repository state.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from datasets.cremad.prepare import PUBLISHED, Material, prepare_material, read_material
from datasets.cremad.raw import Pointer, how_to_get
from datasets.cremad.spec import CLIP_ADDRESSES, CLIPS, KINDS, LISTS, PARTS
from datasets.errors import DataError, counted
from datasets.raw.fetch import Fetched, fetch, fetch_all
from datasets.raw.find import search
from datasets.spec import FetchOptions, Progress, RawSource
from datasets.store.manifest import Manifest
from datasets.store.system import core_count


def how_to_begin() -> str:
    """The licence, the size, and what to type."""
    return (
        f"CREMA-D is not here. Its licence is {CLIPS.licence}: name the source, and share what you "
        "derive from the data base under the same licence. The clips show the faces of 91 "
        "identifiable people, and the owners ask every user to fill in the form that "
        f"{CLIPS.urls[0]} links to. The download is {CLIPS.size}. If you accept: {how_to_get()}"
    )


def prepare_while_fetching(
    places: Sequence[Path], raw: Path, folder: Path, fetching: FetchOptions, progress: Progress
) -> Manifest:
    """Downloads to `raw` what is not in `places`, and prepares each clip when its files are there.

    Raises DataError, keeping what has come, if a file cannot be had or written.
    """
    material = _material(places, raw, fetching, progress)
    sources = _missing(material, raw, fetching)
    _refuse_small_disk(raw, sources)
    kept = {key: [raw / source.file] for key, source in sources.items()}
    files = replace(material.files, files={**material.files.files, **kept})
    material = replace(material, files=files)
    waiting = Counter(clip for clip, _ in sources)
    at_once = [clip for clip in material.clips if clip not in waiting]
    # Closed at once when the preparation fails: the downloads must not go on behind the error.
    with closing(fetch_all(list(sources.values()), raw, progress)) as fetched:
        ready = chain(at_once, _arriving(waiting, fetched, raw))
        return prepare_material(material, ready, folder, core_count(), progress)


def _material(
    places: Sequence[Path], raw: Path, fetching: FetchOptions, progress: Progress
) -> Material:
    """What there is, with the published lists, which are small and come first."""
    there = search(places)
    if not all(there.named(f"{part}.csv") for part in PARTS):
        for source in LISTS:
            fetch(fetching.of(source), raw, progress=progress)
    return read_material([*places, *([raw] if raw.is_dir() else [])], PUBLISHED)


def _missing(
    material: Material, raw: Path, fetching: FetchOptions
) -> dict[tuple[str, str], RawSource]:
    """By clip and kind, the files that are not elsewhere than in `raw` in the official size."""
    sources = {}
    for clip in material.clips:
        for kind in KINDS:
            pointer = _pointer(material, clip, kind)
            found = material.files.files.get((clip, kind), [])
            elsewhere = [path for path in found if raw not in path.parents]
            if not any(path.stat().st_size == pointer.bytes for path in elsewhere):
                sources[clip, kind] = fetching.of(_source(clip, kind, pointer))
    return sources


def _pointer(material: Material, clip: str, kind: str) -> Pointer:
    if (clip, kind) not in material.pointers:
        raise DataError(
            f"{material.files.pointers} has no size and sha256 of {clip}.{kind}; remove that list: "
            "the official one is built in"
        )
    return material.pointers[clip, kind]


def _source(clip: str, kind: str, pointer: Pointer) -> RawSource:
    file = f"{KINDS[kind]}/{clip}.{kind}"
    urls = tuple(f"{address}/{file}" for address in CLIP_ADDRESSES)
    return replace(CLIPS, file=file, urls=urls, bytes=pointer.bytes, sha256=pointer.sha256)


def _refuse_small_disk(raw: Path, sources: dict[tuple[str, str], RawSource]) -> None:
    coming = {raw / source.file: source.bytes or 0 for source in sources.values()}
    needed = sum(size for path, size in coming.items() if not path.exists())
    raw.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(raw).free
    if needed > free:
        found = f"{needed / 1e9:.1f} GB are to come, {free / 1e9:.1f} GB are free"
        raise DataError(f"the disk of {raw} is too small: {found}")


def _arriving(waiting: Counter[str], fetched: Iterable[Fetched], raw: Path) -> Iterator[str]:
    """Each clip when the last of its files is there; at the end DataError if some never came."""
    problems = []
    for each in fetched:
        clip = Path(each.source.file).stem
        if each.problem:
            problems.append(each.problem)
            continue
        waiting[clip] -= 1
        if not waiting[clip]:
            yield clip
    if problems:
        raise DataError(
            f"{counted(len(problems), 'file')} of CREMA-D could not be fetched, first: "
            f"{problems[0]}. All others are kept: start again, or go without these clips: "
            f"./reproduce.sh data prepare cremad --raw {raw}"
        )
