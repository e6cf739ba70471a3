"""Audit of CREMA-D: actors in several splits, equal files, odd files, skipped clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from datasets.audit.checks import answers, balance, examples, identical, repeated, shared
from datasets.audit.findings import Check, Finding, Sample, Severity, Splits
from datasets.cremad.raw import (
    Pointers,
    RawCremad,
    actor_of,
    best_of,
    find_raw,
    is_pointer,
    label_of,
    pointers_of,
    read_pointers,
    read_split_lists,
)
from datasets.cremad.spec import ACTOR_PROTOCOLS, KINDS, LABELS, PARTS
from datasets.cremad.splits import split_rows
from datasets.errors import counted
from datasets.raw.find import search
from datasets.spec import PROTOCOLS
from datasets.store.manifest import Manifest

ODD_SIZE = 4
"""Videos with this many times more or fewer bytes per second than the median are reported."""

Parts = Mapping[str, Sequence[str]]
"""Published list -> its clips."""


def findings(raw: Sequence[Path]) -> Iterator[Finding]:
    """From the published lists, and from the files or their git-lfs pointers."""
    found = search(raw)
    missing = [name for part in PARTS if not found.named(name := f"{part}.csv")]
    if missing:
        yield Finding("lists", "not checked", f"{', '.join(missing)} (all other checks)")
    else:
        files = find_raw(raw)
        pointers = _pointers(files)
        parts = read_split_lists(files.lists)
        yield from list_findings(parts, pointers)
        yield on_disk(parts, files, bool(pointers))


def list_findings(parts: Parts, pointers: Pointers) -> Iterator[Finding]:
    """What the published lists tell, and size and sha256 of the files where they are known."""
    lists = {part: [_sample(clip, pointers) for clip in parts[part]] for part in PARTS}
    yield replace(balance(lists), check="published lists")
    splits = protocol_splits(parts, pointers)
    checks: list[Check] = [repeated, partial(shared, kind="actor"), balance]
    kinds = sorted({kind for _, kind in pointers})
    checks += [partial(identical, kind=kind) for kind in kinds]
    yield from answers(splits, checks)
    if kinds:
        yield coverage(parts, pointers)
    if set(KINDS) <= set(kinds):
        yield odd_videos(parts, pointers)


def protocol_splits(parts: Parts, pointers: Pointers) -> dict[str, Splits]:
    """The splits of every protocol."""
    clips = [clip for part in PARTS for clip in parts[part]]
    samples = [_sample(clip, pointers) for clip in clips]
    labels = np.array([label_of(clip) for clip in clips])
    is_test = np.repeat([0, 1], [len(parts[part]) for part in PARTS])
    rows = {p: split_rows(clips, labels, is_test, p) for p in (*PROTOCOLS, *ACTOR_PROTOCOLS)}
    return {p: {s: [samples[i] for i in r] for s, r in of.items()} for p, of in rows.items()}


def on_disk(parts: Parts, files: RawCremad, has_checksums: bool) -> Finding:
    """Which files of the listed clips are on disk. Their checksums may be known without them."""
    if not files.files:
        text = "AudioWAV and VideoFlash, or a clone made without git-lfs"
        told = (
            "sizes and checksums are those of the official list"
            if has_checksums
            else "equal, odd files"
        )
        return Finding("files", "not checked", f"{text} ({told})")
    clips = [clip for part in PARTS for clip in parts[part]]
    lacking = sorted(c for c in clips if any((c, kind) not in files.files for kind in KINDS))
    stubs = sum(is_pointer(best_of(paths)) for paths in files.files.values())
    numbers = {"files": len(files.files), "pointers": stubs, "without_files": lacking}
    text = (
        f"on disk: {counted(len(files.files), 'file')}, {stubs} of them git-lfs pointers; "
        f"{len(lacking)} of {counted(len(clips), 'listed clip')} without sound or video"
    )
    severity: Severity = "note" if stubs or lacking else "ok"
    return Finding("files", severity, text + examples(lacking), numbers)


def coverage(parts: Parts, pointers: Pointers) -> Finding:
    """Clips with known files that are in no list, and listed clips without known files."""
    listed = {clip for clips in parts.values() for clip in clips}
    held = {clip for clip, _ in pointers}
    without = sorted(clip for clip in listed if any((clip, k) not in pointers for k in KINDS))
    left = sorted(held - listed)
    numbers = {"listed": len(listed), "left_out": left, "without_files": without}
    text = (
        f"{counted(len(left), 'clip')} in no list, but with known files{examples(left)}; "
        f"{len(without)} of {counted(len(listed), 'listed clip')} without{examples(without)}"
    )
    return Finding("left out", "note" if left or without else "ok", text, numbers)


def odd_videos(parts: Parts, pointers: Pointers) -> Finding:
    """Videos with far more or fewer bytes per second of sound than the others."""
    clips = [c for part in PARTS for c in parts[part] if all((c, k) in pointers for k in KINDS)]
    # 16-bit mono at 16 kHz: the bytes of the sound are its length.
    rate = {c: pointers[c, "flv"].bytes / max(1, pointers[c, "wav"].bytes) for c in clips}
    middle = (median(rate.values()) if rate else 0) or 1.0  # empty files have rate 0
    odd = {
        c: r / middle for c, r in sorted(rate.items()) if not 1 / ODD_SIZE <= r / middle <= ODD_SIZE
    }
    told = [
        f"{c} {pointers[c, 'flv'].bytes} bytes, {f:.2f} times the median" for c, f in odd.items()
    ]
    text = f"an odd number of bytes per second: {len(odd)} of {counted(len(rate), 'video')}"
    numbers = {"videos": len(rate), "times_median": {c: round(f, 2) for c, f in odd.items()}}
    return Finding("odd videos", "note" if odd else "ok", text + examples(told), numbers)


def skipped(manifest: Manifest) -> Finding:
    """Clips that the preparation could not use, and whether it verified the others."""
    left = dict(manifest.facts["skipped"])
    verified = not manifest.facts["unverified"]
    told = "verified" if verified else "not verified: the official checksums were not given"
    text = f"skipped: {counted(len(left), 'clip')}{examples(sorted(left))}; the files are {told}"
    numbers = {"rows": manifest.facts["rows"], "skipped": left, "verified": verified}
    return Finding("skipped clips", "ok" if verified and not left else "note", text, numbers)


def _pointers(files: RawCremad) -> Pointers:
    """The official sizes and checksums, or those of the files on disk."""
    return read_pointers(files.pointers) if files.pointers else pointers_of(files.files)


def _sample(clip: str, pointers: Pointers) -> Sample:
    digests = {k: pointers[clip, k].sha256 for k in KINDS if (clip, k) in pointers}
    return Sample(clip, (LABELS[label_of(clip)],), {"actor": str(actor_of(clip))}, digests)
