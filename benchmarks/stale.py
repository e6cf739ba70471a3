"""Which records are of other code than this, and what changed. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.codehash import code_of, same_numbers
from benchmarks.experiment import Experiment
from benchmarks.record import RunRecord

PARTS = {"method": "method code", "shared": "shared code", "data": "data code"}


def changed_code(code: Mapping[str, str], method: str, dataset: str) -> list[str]:
    """What differs between the digests of a record and the code at hand.

    Nothing for a record without digests: its code is unknown, which is no change.
    """
    now = code_of(method, dataset) if code else {}
    return [PARTS[part] for part in now if code.get(part) not in same_numbers(now[part])]


def on_other_data(before: Mapping[str, Any], now: Experiment) -> bool:
    """Whether `before` is the same run in all but the fingerprint of the prepared data."""
    values = now.to_dict()
    old, new = before.get("data", {}), values["data"]
    same = {**before, "data": {**old, "fingerprint": None}}
    return same == {**values, "data": {**new, "fingerprint": None}}


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
