"""What an audit of a dataset finds.

A finding is a fact, not an error: published splits leak, and the report should say how much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["leak", "note", "ok", "not checked"]
"""`leak`: test samples have something in common with what is trained or chosen on; `note`: worth
knowing when numbers are compared; `not checked`: files are missing, the text says which."""


@dataclass(frozen=True)
class Finding:
    """One answer. Without `protocols` it is about the data, however it is split."""

    check: str
    severity: Severity
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One sample as its publishers name it.

    `labels` are one per segment. `groups` says what it was taken from ({"actor": "1001"}),
    `digests` the sha256 of its files by kind.
    """

    name: str
    labels: tuple[str, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


Splits = Mapping[str, Sequence[Sample]]
"""`train`, `val`, `test` -> samples; `val` may be missing."""

Check = Callable[[Splits], Finding]


def under_protocols(splits: Mapping[str, Splits], checks: Iterable[Check]) -> list[Finding]:
    """Each check under each protocol; equal answers are one finding with several protocols.

    `splits` maps each protocol to its splits. A validation set that is the test set is reported by
    `selection` in `audit.checks`; the checks see it once, as test.
    """
    seen = {protocol: _without_twin(chosen) for protocol, chosen in splits.items()}
    merged: list[Finding] = []
    for check in checks:
        answers: list[tuple[Finding, list[str]]] = []
        for protocol, chosen in seen.items():
            answer = check(chosen)
            same = next((names for found, names in answers if found == answer), None)
            if same is None:
                answers.append((answer, [protocol]))
            else:
                same.append(protocol)
        merged += [_holding_under(found, tuple(names)) for found, names in answers]
    return merged


def names(samples: Sequence[Sample]) -> list[str]:
    """The samples' names, in order."""
    return [sample.name for sample in samples]


def _without_twin(splits: Splits) -> Splits:
    is_twin = "val" in splits and names(splits["val"]) == names(splits["test"])
    return {s: samples for s, samples in splits.items() if not (is_twin and s == "val")}


def _holding_under(finding: Finding, protocols: tuple[str, ...]) -> Finding:
    fields = (finding.check, finding.severity, finding.text, finding.numbers)
    return Finding(*fields, protocols)
