"""The answers to the paper's claims, once from its own numbers and once from ours.

Of the printed numbers a claim holds or fails as they stand; `paper_error` says what the finite test
set alone can do to such a margin (half of Newcombe's interval at the test set's size). Of ours it
`holds` or `fails` only where the paired tests say so at 5 %, and is `undecided` otherwise: to be
above every rival takes every single test (an intersection-union test, which needs no correction);
to fail takes one rival that is significantly better after Holm's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pandas as pd
from tabulate import tabulate

from benchmarks.report.claims.sentences import CLAIMS, Claim
from benchmarks.report.dataframes import frame_of
from benchmarks.report.rules.cell import LEVEL
from benchmarks.report.statistics import newcombe_interval
from benchmarks.report.tables.contrast import Contrast, adjust
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import test_sets
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.verdict import NO_PAPER_VALUE, OBSTACLES, TOO_FEW
from benchmarks.report.wording import LABEL
from benchmarks.terminal import definitions, wrapped

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
T = TypeVar("T")
Compare = Callable[[Entry, Entry], Contrast]


@dataclass(frozen=True)
class Answer:
    """A claim in one column. Margins are the subject minus its nearest rival, in points.

    `paper` and `ours` are `holds` or `fails`; `ours` may also be `undecided` or an obstacle, such
    as `not run`, and `reason` says why.
    """

    claim: Claim
    column: str
    paper: str
    paper_margin: float
    paper_error: float
    ours: str
    our_margin: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    runs: int = 0
    reason: str = ""
    published_protocol: bool = False

    @property
    def told(self) -> str:
        """Our answer, labelled if a run behind it was made under the published protocol."""
        return f"{self.ours} ({LABEL})" if self.published_protocol else self.ours

    @property
    def beyond_error(self) -> bool:
        """True if the paper's margin is larger than what another test set could make of it."""
        return abs(self.paper_margin) > self.paper_error


def answers(tables: Sequence[Table], compare: Compare) -> list[Answer]:
    """Every claim on these tables; `compare` makes the paired test of two entries."""
    return [
        _answer(claim, subject, rivals, compare)
        for table in tables
        for claim in CLAIMS
        if claim.suite == table.name
        for column in claim.columns(table.config)
        for subject in [table.at(claim.subject, column)]
        for rivals in [[e for e in table.entries if e.column == column and _is_rival(claim, e)]]
        if subject and rivals
    ]


def _answer(claim: Claim, subject: Entry, rivals: Sequence[Entry], compare: Compare) -> Answer:
    best = _nearest(claim, rivals, lambda e: e.paper)
    printed = _printed(claim, subject.paper, [e.paper for e in rivals])
    bare = Answer(
        claim,
        subject.column,
        HOLDS if printed else FAILS,
        round(subject.paper - best.paper, 2),
        _error(subject, best),
        UNDECIDED,
        published_protocol=any(e.published_protocol for e in (subject, *rivals)),
    )
    for obstacle in (name for name in OBSTACLES if name not in (NO_PAPER_VALUE, TOO_FEW)):
        if rows := [e.row for e in (subject, *rivals) if e.verdict == obstacle]:
            return replace(bare, ours=obstacle, reason=", ".join(rows))
    return _ours(bare, adjust([compare(subject, rival) for rival in rivals]))


def _nearest(claim: Claim, rivals: Sequence[T], value: Callable[[T], float]) -> T:
    """The rival that decides: the best, or the worst where the subject is to be below all."""
    return (min if claim.relation == "below" else max)(rivals, key=value)


def _is_rival(claim: Claim, entry: Entry) -> bool:
    named = entry.row in claim.rivals if claim.rivals else not entry.cell.row.modalities
    return named and entry.row != claim.subject and not math.isnan(entry.paper)


def _printed(claim: Claim, subject: float, rivals: Sequence[float]) -> bool:
    low, high = claim.bounds
    gain = subject - max(rivals)
    relations = {
        "above": gain > 0,
        "below": subject < min(rivals),
        "not best": gain < 0,
        "gain": low <= round(gain, 1) <= high,
        "relative gain": low <= round(100 * gain / max(rivals), 1) <= high,
    }
    return relations[claim.relation]


def _error(subject: Entry, rival: Entry) -> float:
    """Half of the interval of their printed difference, in points, for independent test sets."""
    samples = test_sets()[subject.cell.dataset]
    low, high = newcombe_interval(subject.paper / 100, samples, rival.paper / 100, samples)
    return 100 * (high - low) / 2


def _ours(bare: Answer, tests: Sequence[Contrast]) -> Answer:
    best = _nearest(bare.claim, tests, lambda c: c.second.mean)
    found = replace(
        bare,
        our_margin=best.first.mean - best.second.mean,
        low=best.low,
        high=best.high,
        p=best.p,
        runs=len(best.seeds),
    )
    if untested := dict.fromkeys(c.reason for c in tests if c.reason):
        return replace(found, reason="; ".join(untested))
    if bare.claim.relation == "relative gain" and not best.second.mean:
        return replace(found, reason=f"{best.second.row} has a mean of 0: no gain relative to it")
    return replace(found, ours=_decide(bare.claim, tests, best))


def _decide(claim: Claim, tests: Sequence[Contrast], best: Contrast) -> str:
    if "gain" in claim.relation:
        return _within(claim, best)
    sign = -1 if claim.relation == "below" else 1
    leads = all(sign * c.difference > 0 and c.p < LEVEL for c in tests)
    beaten = any(sign * c.difference < 0 and c.significant for c in tests)
    if claim.relation == "not best":
        leads, beaten = beaten, leads
    return HOLDS if leads else FAILS if beaten else UNDECIDED


def _within(claim: Claim, best: Contrast) -> str:
    """Whether the interval of the gain lies inside the claimed bounds, outside, or on an edge."""
    scale = 100 / best.second.mean if claim.relation == "relative gain" else 1.0
    low, high = scale * best.low, scale * best.high
    least, most = claim.bounds[0] - 0.05, claim.bounds[1] + 0.05  # the paper rounds to 0.1
    if least <= low and high <= most:
        return HOLDS
    return FAILS if high < least or low > most else UNDECIDED


def claims_frame(answers: Sequence[Answer]) -> pd.DataFrame:
    """The lines of `claims.csv`, one per claim and column."""
    return frame_of(_COLUMNS, [(answer.claim, answer) for answer in answers])


def claims_page(answers: Sequence[Answer]) -> str:
    """`claims.md`: a row per claim."""
    return f"# The paper's claims\n\n{_NOTES}\n\n{claims_grid(answers)}\n"


def claims_grid(answers: Sequence[Answer]) -> str:
    """One row per claim: in how many columns it holds, of the paper's numbers and of ours."""
    headers = ["claim", "section", "paper's numbers", "beyond test-set error", "ours"]
    return tabulate(_claim_rows(answers), headers, tablefmt="pipe", disable_numparse=True)


def claims_screen(answers: Sequence[Answer]) -> str:
    """The same in lines for the terminal."""
    lines = []
    for text, section, paper, beyond, ours in _claim_rows(answers):
        told = {"paper's numbers": f"{paper}; beyond test-set error {beyond}", "ours": ours}
        lines += [wrapped(f"{text} ({section})", "  ", "  "), *definitions(told, "    ")]
    return "\n".join(lines)


def _claim_rows(answers: Sequence[Answer]) -> list[list[str]]:
    claims = {a.claim.name: a.claim for a in answers}
    return [
        claim_row(claim, [a for a in answers if a.claim.name == name])
        for name, claim in claims.items()
    ]


def holds_in_sum(claim: Claim, found: Sequence[str]) -> bool:
    """Whether answers column by column make a claim true: all of them, or more than half."""
    held = sum(answer == HOLDS for answer in found)
    return 2 * held > len(found) if claim.mostly else held == len(found)


def claim_row(claim: Claim, found: Sequence[Answer]) -> list[str]:
    """Text and section of a claim, whether the paper's numbers agree with it, and ours."""
    paper = [a.paper for a in found]
    verdict = "true" if holds_in_sum(claim, paper) else "false"
    ours = Counter(a.told for a in found)
    return [
        claim.text,
        claim.section,
        f"{verdict} ({paper.count(HOLDS)} of {len(paper)})",
        f"{sum(a.paper == HOLDS and a.beyond_error for a in found)} of {len(found)}",
        ", ".join(f"{count} {answer}" for answer, count in ours.items()),
    ]


_NOTES = (
    "Each claim is asked column by column, of the printed numbers and of ours. 'Beyond test-set "
    "error' counts the columns where it holds and the printed margin to the nearest rival exceeds "
    "half of Newcombe's 95 % interval at the size of the test set: for independent samples, which "
    "is cautious where methods share theirs, and without the spread of seeds, which the paper does "
    "not print. Ours takes paired tests over seeds and test samples at 5 %; see "
    "`claims.csv` for margins, intervals and p."
)

_COLUMNS = {
    "claim": lambda claim, answer: claim.name,
    "section": lambda claim, answer: claim.section,
    "text": lambda claim, answer: claim.text,
    "suite": lambda claim, answer: claim.suite,
    "column": lambda claim, answer: answer.column,
    "paper": lambda claim, answer: answer.paper,
    "paper_margin": lambda claim, answer: answer.paper_margin,
    "paper_test_error": lambda claim, answer: answer.paper_error,
    "beyond_test_error": lambda claim, answer: answer.beyond_error,
    "ours": lambda claim, answer: answer.ours,
    "our_margin": lambda claim, answer: answer.our_margin,
    "ci_low": lambda claim, answer: answer.low,
    "ci_high": lambda claim, answer: answer.high,
    "p": lambda claim, answer: answer.p,
    "seeds": lambda claim, answer: answer.runs,
    "reason": lambda claim, answer: answer.reason,
    "published_protocol": lambda claim, answer: answer.published_protocol,
}
