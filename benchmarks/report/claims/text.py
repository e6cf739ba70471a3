"""The answers to the paper's claims: a file with a line per column, and a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from benchmarks.records.files import csv_text, write_text
from benchmarks.report.claims.answers import HOLDS, Answer
from benchmarks.report.claims.paper import Claim
from benchmarks.report.wording import number, p_value


def write_claims(answers: Sequence[Answer], out: Path) -> list[Path]:
    """Writes `claims.csv` (a line per claim and column) and `claims.md` (a row per claim)."""
    paths = [out / "claims.csv", out / "claims.md"]
    write_text(paths[0], csv_text([_COLUMNS, *map(_line, answers)]))
    write_text(paths[1], f"# The paper's claims\n\n{_NOTES}\n\n{claims_grid(answers, 'pipe')}\n")
    return paths


def claims_grid(answers: Sequence[Answer], grid: str = "simple") -> str:
    """One row per claim: in how many columns it holds, of the paper's numbers and of ours."""
    claims = {a.claim.name: a.claim for a in answers}
    rows = [
        claim_row(claim, [a for a in answers if a.claim.name == name])
        for name, claim in claims.items()
    ]
    headers = ["claim", "section", "paper's numbers", "beyond test-set error", "ours"]
    return tabulate(rows, headers, tablefmt=grid, disable_numparse=True)


def holds_in_sum(claim: Claim, found: Sequence[str]) -> bool:
    """Whether answers column by column make a claim true: all of them, or more than half."""
    held = sum(answer == HOLDS for answer in found)
    return 2 * held > len(found) if claim.mostly else held == len(found)


_NOTES = (
    "Each claim is asked column by column, of the printed numbers and of ours. 'Beyond test-set "
    "error' counts the columns where it holds and the printed margin to the nearest rival exceeds "
    "half of Newcombe's 95 % interval at the size of the test set: for independent samples, which "
    "is cautious where methods share theirs, and without the spread of seeds, which the paper does "
    "not print. Ours takes the paired bootstrap over seeds and test samples at 5 %; see "
    "`claims.csv` for margins, intervals and p."
)


def claim_row(claim: Claim, found: Sequence[Answer]) -> list[str]:
    """Text and section of a claim, whether the paper's numbers bear it out, and ours."""
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


_COLUMNS = (
    "claim", "section", "text", "suite", "column", "paper", "paper_margin", "paper_test_error",
    "beyond_test_error", "ours", "our_margin", "ci_low", "ci_high", "p", "seeds", "reason",
    "published_protocol",
)  # fmt: skip


def _line(answer: Answer) -> list[object]:
    claim = answer.claim
    return [
        claim.name,
        claim.section,
        claim.text,
        claim.suite,
        answer.column,
        answer.paper,
        *map(number, (answer.paper_margin, answer.paper_error)),
        answer.beyond_error,
        answer.ours,
        *map(number, (answer.our_margin, answer.low, answer.high)),
        p_value(answer.p),
        answer.runs,
        answer.reason,
        answer.published_protocol,
    ]
