"""Audit of AVE: videos in several splits, clips with two labels, background."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from datasets.audit.checks import answers, balance, identical, of_parts, repeated, shared
from datasets.audit.findings import Check, Finding, Sample, Splits
from datasets.ave.raw import KEY, Annotation, read_annotations
from datasets.ave.spec import ANNOTATIONS, FEATURES, ORDERS, PUBLISHED, SECONDS
from datasets.errors import DataError, counted
from datasets.raw.content import check_file
from datasets.raw.find import first_good, search
from datasets.raw.hdf5 import opened
from datasets.store.manifest import Manifest

BACKGROUND = "background"


def findings(raw: Sequence[Path], manifest: Manifest | None) -> Iterator[Finding]:
    """From the annotations and orders; equal clips from the audio features, if they are there.

    `manifest` is that of the prepared folder, None without one.
    """
    found, files = search(raw), {}
    for name in (ANNOTATIONS, *ORDERS.values(), FEATURES["audio"]):
        if candidates := found.named(name):
            files[name] = first_good(name, candidates, partial(_checked, name))
    missing = [name for name in (ANNOTATIONS, *ORDERS.values()) if name not in files]
    if missing:
        yield Finding("raw files", "not checked", f"{', '.join(missing)} (everything)")
    else:
        yield from _raw_findings(files)
    if manifest:
        yield published_labels(manifest)


def _checked(name: str, path: Path) -> Path:
    if name == ANNOTATIONS:
        read_annotations(path)
    else:
        check_file(path, {"an HDF5 file"})
    return path


def _raw_findings(files: Mapping[str, Path]) -> Iterator[Finding]:
    audio = FEATURES["audio"]
    annotations = read_annotations(files[ANNOTATIONS])
    orders = {s: _order(files[name], s, len(annotations)) for s, name in ORDERS.items()}
    digests = _digests(files[audio], len(annotations)) if audio in files else {}
    yield from list_findings(annotations, orders, digests)
    if not digests:
        yield Finding("identical clips", "not checked", f"{audio} (equal clips)")


def list_findings(
    annotations: Sequence[Annotation],
    orders: Mapping[str, Sequence[int]],
    digests: Mapping[int, str],
) -> Iterator[Finding]:
    """What annotations and the rows of each split tell; `digests` of the features, by row."""
    samples = [_sample(row, one, digests.get(row)) for row, one in enumerate(annotations)]
    official = {split: [samples[row] for row in rows] for split, rows in orders.items()}
    checks: list[Check] = [repeated, partial(shared, kind="video"), balance]
    if digests:
        checks.append(partial(identical, kind="clip"))
    yield from answers(of_parts(official), checks)
    yield reused_videos(annotations, official)
    yield events(annotations)
    yield coverage(len(annotations), orders)


def reused_videos(annotations: Sequence[Annotation], splits: Splits) -> Finding:
    """Videos annotated more than once: the same ten seconds under several categories."""
    categories = defaultdict(list)
    for annotation in annotations:
        categories[annotation.video_id].append(annotation.category)
    reused = {video: given for video, given in categories.items() if len(given) > 1}
    disputed = {video for video, given in reused.items() if len(set(given)) > 1}
    touched = {s: sum(x.groups["video"] in disputed for x in xs) for s, xs in splits.items()}
    further = len(annotations) - len(categories)
    numbers = {
        "videos": len(categories),
        "reused": len(reused),
        "further_annotations": further,
        "other_category": len(disputed),
        "clips": touched,
    }
    if not reused:
        text = f"{counted(len(categories), 'video')}, each annotated once"
        return Finding("reused videos", "ok", text, numbers)
    listed = ", ".join(f"{split} {count}" for split, count in touched.items())
    text = (
        f"annotated again: {counted(len(reused), 'video')} "
        f"({counted(further, 'further annotation')}), "
        f"{len(disputed)} of them as another category: clips with such a twin: {listed}"
    )
    return Finding("reused videos", "note", text, numbers)


def events(annotations: Sequence[Annotation]) -> Finding:
    """Clips that are all event, for which localisation is classification, or have none."""
    lengths = np.array([one.end - one.start for one in annotations])
    whole, none = int((lengths == SECONDS).sum()), int((lengths == 0).sum())
    numbers = {"clips": len(lengths), "whole": whole, "none": none}
    share = 100 * whole / len(lengths)
    text = f"{share:.1f} % of the clips are event in all {SECONDS} seconds; {none} without an event"
    return Finding("events", "note" if none else "ok", text, numbers)


def coverage(clips: int, orders: Mapping[str, Sequence[int]]) -> Finding:
    """Clips that are in no split."""
    left = clips - len({row for rows in orders.values() for row in rows})
    text = f"{left} of {clips} annotated clips are in no split"
    return Finding("left out", "note" if left else "ok", text, {"clips": clips, "left_out": left})


def published_labels(manifest: Manifest) -> Finding:
    """Clips for which published label files say something else than the annotations."""
    numbers = {name: len(rows) for name, rows in manifest.facts["differing"].items()}
    if not numbers:
        text = "labels.h5 or right_label.h5, to compare with the annotations"
        return Finding("published labels", "not checked", text)
    listed = ", ".join(f"{name} in {count}" for name, count in numbers.items())
    text = f"clips in which a label file differs from the annotations: {listed}"
    return Finding("published labels", "note" if any(numbers.values()) else "ok", text, numbers)


def _sample(row: int, annotation: Annotation, digest: str | None) -> Sample:
    labels = [BACKGROUND] * SECONDS
    labels[annotation.start : annotation.end] = [annotation.category] * (
        annotation.end - annotation.start
    )
    video = annotation.video_id
    digests = {} if digest is None else {"clip": digest}
    return Sample(f"{row}:{video}", tuple(labels), {"video": video}, digests)


def _order(path: Path, split: str, clips: int) -> list[int]:
    with opened(path, "order", (PUBLISHED.clips[split],), "iu") as array:
        rows = array[...].tolist()
    wrong = [row for row in rows if not 0 <= row < clips]
    if wrong:
        raise DataError(f"{path} names row {wrong[0]}; rows are 0 to {clips - 1}")
    return rows


def _digests(path: Path, clips: int) -> dict[int, str]:
    """sha256 of the audio features of every clip."""
    with opened(path, KEY, (clips, *PUBLISHED.shapes["audio"])) as array:
        features = array[...]
    return {row: hashlib.sha256(one.tobytes()).hexdigest() for row, one in enumerate(features)}
