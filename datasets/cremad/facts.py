"""What a preparation of CREMA-D found, and what identifies its data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from datasets.cremad.clip import Outcome
from datasets.cremad.lists import KINDS, Pointers
from datasets.cremad.raw import POINTERS
from datasets.errors import DataError
from datasets.store.manifest import digest_of

MAX_SKIPPED = 0.1
"""With a greater share of unusable clips the rest is no CREMA-D any more."""

OUTLIER = 3
"""Videos this many times larger or smaller than the median are reported."""

SHOWN = 5
Parts = Mapping[str, Sequence[str]]  # published list -> clips


def refuse_if_many(problems: Mapping[str, str], clips: int, how_to_get: str) -> None:
    """Raises DataError, with the first problem, if too many clips cannot be used."""
    if len(problems) <= MAX_SKIPPED * clips:
        return
    clip, problem = next(iter(problems.items()))
    raise DataError(
        f"{len(problems)} of {clips} clips cannot be used, first {clip}: {problem}; {how_to_get}"
    )


def measured(used: Parts, outcomes: Sequence[Outcome], known: Pointers) -> dict[str, Any]:
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
