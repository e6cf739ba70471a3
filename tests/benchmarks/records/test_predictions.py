"""Predictions that are not those a run wrote enter no test; nor do rows on different data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.records.predictions import Predictions
from benchmarks.report.tables.contrast import contrast
from tests.benchmarks.report.builders import READY, Fitting, cell_of, entry_of, plan, runs, table

CELLS = plan(avmnist=READY)
MSAM, SAM = cell_of(CELLS, "M-SAM"), cell_of(CELLS, "SAM")


def test_another_file_than_the_run_wrote_is_refused(tmp_path) -> None:
    (run,) = runs(MSAM, 70.0)
    np.savez(tmp_path / f"{run.run_id}.npz", **Fitting().arrays(run))
    assert len(Predictions(tmp_path).labels(run)) == 10_000
    with pytest.raises(ValueError, match="do not match the checksum"):
        Predictions(tmp_path).labels(replace(run, predictions_sha256="0" * 64))


def test_rows_on_different_data_are_not_compared() -> None:
    made = table(CELLS, [*runs(MSAM, 70.0, 71.0, 72.0), *runs(SAM, 70.0, 71.0, 72.0)])
    first, second = entry_of(made, "M-SAM"), entry_of(made, "SAM")
    other = [replace(r, data={**r.data, "fingerprint": "other"}) for r in second.runs]
    found = contrast(first, replace(second, runs=tuple(other)), Predictions(None), "val-best")
    assert found.reason == "the rows saw different data"
