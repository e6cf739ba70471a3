"""Checks of the records of a cell before a verdict may follow from them.

A number counts only if the stored predictions give it, if every run trained all its epochs, and if
the seeds are different runs of the same code. What does not hold is a finding, and each kind of
finding is the verdict of its cell.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from benchmarks.records.code import PARTS, same_numbers
from benchmarks.records.evidence import Evidence, Finding, fingerprint_of, seeds_text
from benchmarks.records.predictions import NoLogits, NoPredictions, Predictions
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import choose

UNREADABLE = "unreadable records"
CONTRADICTED = "records contradict predictions"
NO_PREDICTIONS = "predictions missing"
INCOMPLETE = "incomplete runs"
IDENTICAL = "identical seeds"
MIXED_CODE = "mixed code"


def audit(
    found: Sequence[Evidence],
    predictions: Predictions,
    selection: str,
    seeds: int,
    unreadable: Sequence[LeftOut] = (),
) -> list[Evidence]:
    """The same evidence with its findings.

    `selection` is the rule that chooses the reported epoch. The fused logits of that epoch are
    checked here, all others where they are used, because reading them takes time. `seeds` is the
    planned number of seeds; `unreadable` are the record files that were refused.
    Labels are compared between all runs on the same data, so `found` should hold every cell.
    """
    odd = _odd_labels(found, predictions)
    return [
        replace(
            each,
            findings=tuple(
                Finding(kind, text)
                for kind, texts in {
                    UNREADABLE: _unreadable(each, seeds, unreadable),
                    CONTRADICTED: _contradictions(each, predictions, selection, odd),
                    NO_PREDICTIONS: _missing(each, predictions),
                    INCOMPLETE: _incomplete(each),
                    IDENTICAL: _identical(each, predictions),
                    MIXED_CODE: _mixed_code(each),
                }.items()
                for text in texts
            ),
        )
        for each in found
    ]


def _unreadable(found: Evidence, seeds: int, unreadable: Iterable[LeftOut]) -> Iterator[str]:
    """The refused files that hold a planned run of this cell: those of a seed that it lacks."""
    prefix = re.escape(found.cell.template.run_id.rpartition("-s")[0])
    present = {record.experiment.seed for record in found.records}
    for each in unreadable:
        name = re.fullmatch(rf"{prefix}-s(\d+)-[0-9a-f]+", each.name)
        if name and int(name[1]) < seeds and int(name[1]) not in present:
            yield f"{each.name}.json: {each.reason}"


def _contradictions(
    found: Evidence, predictions: Predictions, selection: str, odd: set[str]
) -> Iterator[str]:
    for run in found.done:
        try:
            predictions.stored(run)
            if run.history:  # a run without one is incomplete, which is said elsewhere
                predictions.confidence(run, choose(selection, run.history)["epoch"], "mm")
        except (NoPredictions, NoLogits):
            pass
        except ValueError as error:
            yield " ".join(str(error).split())
        if run.run_id in odd:
            yield f"the labels of {run.run_id} are not those of the other runs on this data"


def _missing(found: Evidence, predictions: Predictions) -> Iterator[str]:
    seeds = []
    for run in found.done:
        try:
            predictions.stored(run)
        except NoPredictions:
            seeds.append(run.experiment.seed)
        except ValueError:
            continue
    if seeds:
        yield f"no predictions ({seeds_text(seeds)}), so the record cannot be checked"


def _odd_labels(found: Iterable[Evidence], predictions: Predictions) -> set[str]:
    """The runs whose test labels are not those of most runs on the same data."""
    groups: dict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
    for run in (run for each in found for run in each.done):
        try:
            labels = predictions.labels(run)
        except ValueError:
            continue
        key = run.experiment.dataset, fingerprint_of(run)
        groups[key][run.run_id] = labels.tobytes()
    odd = set()
    for of_runs in groups.values():
        counts = Counter(of_runs.values()).most_common(2)
        usual = counts[0][0] if len(counts) == 1 or counts[0][1] > counts[1][1] else None
        odd |= {run_id for run_id, each in of_runs.items() if each != usual}
    return odd


def _incomplete(found: Evidence) -> Iterator[str]:
    for run in found.done:
        epochs, planned = len(run.history), run.experiment.epochs
        if epochs > planned or (epochs < planned and not run.ended_early):
            yield f"seed {run.experiment.seed} has {epochs} of {planned} epochs"


def _identical(found: Evidence, predictions: Predictions) -> Iterator[str]:
    """Seeds that are copies: equal predictions, or equal losses and accuracies of all epochs."""
    for what, name_of in (
        ("predictions", lambda run: _predicted(run, predictions)),
        ("history", _history),
    ):
        seeds = defaultdict(list)
        for run in found.done:
            seeds[name_of(run)].append(run.experiment.seed)
        for name, equal in seeds.items():
            if name and len(equal) > 1:
                yield f"{seeds_text(equal)} have the same {what}"


def _predicted(run: RunRecord, predictions: Predictions) -> str:
    try:
        return predictions.stored(run).digest
    except ValueError:
        return ""


def _history(run: RunRecord) -> str:
    """Names the numbers of all epochs; empty where there are accuracies only, which may be equal by
    chance."""
    parts = [entry.get(part, {}) for entry in run.history for part in ("train", "val", "test")]
    if not any(name.startswith("loss") for part in parts for name in part):
        return ""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _mixed_code(found: Evidence) -> Iterator[str]:
    """Differences to the code of the first run, if several are to be averaged."""
    first, *others = found.done or [None]  # type: ignore[list-item]
    unknown = [run.experiment.seed for run in found.done if not run.code]
    if unknown and others:
        yield f"the code is unknown ({seeds_text(unknown)})"
    for part, label in PARTS.items():
        differing = [
            run.experiment.seed
            for run in others
            if first.code and run.code and run.code.get(part) not in _same(first.code.get(part))
        ]
        if differing:
            yield f"other {label} than seed {first.experiment.seed} ({seeds_text(differing)})"


def _same(digest: str | None) -> frozenset[str | None]:
    return frozenset((None,)) if digest is None else same_numbers(digest)
