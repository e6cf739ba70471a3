"""The paper's claims on the page: in sum, and column by column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.claims.answers import Answer, claim_row
from benchmarks.report.wording import p_value


@dataclass(frozen=True)
class ClaimView:
    """A claim: whether it holds in the paper and here, then a line per column."""

    text: str
    section: str
    paper: str
    beyond_error: str
    ours: str
    columns: tuple[tuple[str, ...], ...]


COLUMNS = ("column", "paper", "margin", "test-set error", "ours", "margin", "95 % interval", "p")


def claim_views(answers: Sequence[Answer]) -> list[ClaimView]:
    """A view per claim, in the order of the answers."""
    names = dict.fromkeys(answer.claim.name for answer in answers)
    grouped = [[a for a in answers if a.claim.name == name] for name in names]
    return [
        ClaimView(*claim_row(found[0].claim, found), tuple(map(_line, found)))  # type: ignore[arg-type, call-arg]
        for found in grouped
    ]


def _line(answer: Answer) -> tuple[str, ...]:
    bounds = "" if math.isnan(answer.low) else f"[{answer.low:.2f}, {answer.high:.2f}]"
    ours = f"{answer.told} ({answer.reason})" if answer.reason else answer.told
    return (
        answer.column,
        answer.paper,
        _points(answer.paper_margin),
        f"± {answer.paper_error:.2f}",
        ours,
        _points(answer.our_margin),
        bounds,
        p_value(answer.p),
    )


def _points(margin: float) -> str:
    return "" if math.isnan(margin) else f"{margin:+.2f}"
