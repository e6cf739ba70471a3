"""Which records are of other code than this, and what changed. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.codehash import code_of
from benchmarks.experiment import Experiment
from benchmarks.record import RunRecord

PARTS = {"method": "method code", "shared": "shared code", "data": "data code"}


def changed_code(code: Mapping[str, str], method: str, dataset: str) -> list[str]:
    """What differs between the digests of a record and the code at hand.

    Nothing for a record without digests: its code is unknown, which is no change.
    """
    now = code_of(method, dataset) if code else {}
    return [PARTS[part] for part in now if code.get(part) != now[part]]


def changed_experiment(before: Mapping[str, Any], now: Experiment) -> list[str]:
    """Whether the `data` or the `config` differ between two runs of one method and seed."""
    values = now.to_dict()
    data = before.get("data", {}).get("fingerprint") != values["data"]["fingerprint"]
    for experiment in (values, before := {**before, "data": dict(before.get("data", {}))}):
        experiment["data"].pop("fingerprint", None)
    return ["data"] * data + ["config"] * (before != values)


def footnote(records: Iterable[RunRecord]) -> str:
    """One sentence for a report on the records made by other code; empty if there is none."""
    changes = [
        change
        for record in records
        if (
            change := changed_code(record.code, record.experiment.method, record.experiment.dataset)
        )
    ]
    if not changes:
        return ""
    parts = ", ".join(part for part in PARTS.values() if any(part in c for c in changes))
    return (
        f"{len(changes)} records are stale: {parts} changed since; --rerun-stale trains them again"
    )
