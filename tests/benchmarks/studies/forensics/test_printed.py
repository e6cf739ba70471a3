"""Which test-set sizes the printed numbers fit: exact counts, and the facts on CREMA-D."""

from __future__ import annotations

from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest

from benchmarks.records.files import csv_text
from benchmarks.report.tables import paper
from benchmarks.studies.forensics import printed
from benchmarks.studies.forensics.printed import PrintedNumber, gives

NUMBERS = printed.printed_numbers()
RANKED = printed.fits(NUMBERS)


def hits(samples: int, *rows: str, suite: str = "", outputs: tuple[str, ...] = ()) -> int:
    """How many CREMA-D numbers of these rows are k of this many samples."""
    ours = [
        n
        for n in NUMBERS
        if n.dataset == "cremad"
        and n.row in rows
        and suite in ("", n.suite)
        and (not outputs or n.output in outputs)
    ]
    return int(gives(samples)[[n.hundredths for n in ours]].sum())


@pytest.mark.parametrize("samples", [50, 64, 669, 744, 9_999])
def test_counts_are_exact(samples: int) -> None:
    """Against decimal arithmetic, ties rounded either way: 1/64 is 1.5625."""
    shares = [Decimal(100 * k) / samples for k in range(samples + 1)]
    cents = Decimal("0.01")
    expected = {
        int(100 * share.quantize(cents, way))
        for share in shares
        for way in (ROUND_HALF_DOWN, ROUND_HALF_UP)
    }
    assert set(gives(samples).nonzero()[0].tolist()) == expected


def test_a_large_test_set_gives_every_number() -> None:
    assert gives(10_000).all() and not gives(printed.LARGEST).all()


def test_crema_d_was_measured_on_669_samples() -> None:
    best = RANKED["cremad"][0]
    assert (best.samples, best.hits, best.numbers) == (669, 15, 53)
    assert best.expected == pytest.approx(3.55, abs=0.01)
    assert best.p == pytest.approx(1.3e-6, rel=0.05)
    assert best.corrected == pytest.approx(best.p * 9_950) and best.corrected < 0.05
    (whole,) = [fit for fit in RANKED["cremad"] if fit.samples == 744]
    assert (whole.hits, whole.p > 0.5) == (1, True)
    assert paper.test_sets()["cremad"] == 669


def test_which_rows_were_measured_so() -> None:
    older = ("MSES", "MSLR", "OGM-GE", "AGM")
    assert hits(669, *older, suite="table1", outputs=("audio", "mm")) == 8  # of 8
    assert hits(669, "MM-Pareto", "CGGM", "Recon-Boost") == 0  # of 18


@pytest.mark.parametrize("dataset", ["avmnist", "urfunny", "ave"])
def test_other_datasets_fit_no_size(dataset: str) -> None:
    assert RANKED[dataset][0].corrected > 0.05


def test_numbers_of_a_known_size_find_it() -> None:
    made = [
        PrintedNumber("table1", "row", "toy", "mm", round(1e4 * k / 421)) for k in range(90, 130)
    ]
    best = printed.fits(made)["toy"][0]
    assert (best.samples, best.hits) == (421, 40)


def test_numbers_of_no_size_find_none() -> None:
    generator = np.random.default_rng(5)
    numbers = [
        PrintedNumber("table1", "row", f"toy{toy}", "mm", int(hundredths))
        for toy in range(6)
        for hundredths in generator.integers(4000, 8000, 53)
    ]
    assert all(ranked[0].corrected > 0.05 for ranked in printed.fits(numbers).values())


def test_committed_tables_follow_from_the_printed_numbers() -> None:
    assert (paper.FOLDER / "sizes.md").read_text() == printed.markdown(NUMBERS, RANKED)
    assert (paper.FOLDER / "sizes.csv").read_text() == csv_text(printed.csv_lines(RANKED))
