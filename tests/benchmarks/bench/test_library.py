"""The part `library`: what the three loops do is what their names say."""

from dataclasses import replace

import pytest
import torch

from benchmarks.bench import library
from benchmarks.bench.timing import SMALL, Setting

ONCE = Setting(torch.device("cpu"), rounds=1)


@pytest.mark.parametrize(
    ("share", "passes"),
    [
        (library._sam, 2),
        (library._from_features, 2),
        (library._from_forward_passes, 5),  # and three coalitions of two modalities
    ],
)
def test_encoders_run_as_often_as_the_row_says(monkeypatch, share, passes):
    workload, calls, built = replace(SMALL, batch=2), [], []
    original = type(workload).method

    def watched(*words, **options):
        built.append(original(*words, **options))
        encoder = built[-1].model.encoders["audio"]
        encoder.register_forward_hook(lambda *_: calls.append(1))
        return built[-1]

    monkeypatch.setattr(type(workload), "method", watched)
    step = library._step(workload, "late", share, workload.random_batch(ONCE.device), ONCE.device)
    before = [p.clone() for p in built[0].model.parameters()]
    step()
    assert len(calls) == passes
    assert not any(map(torch.equal, before, built[0].model.parameters()))


def test_rows_hold_both_ratios_for_both_fusions(monkeypatch):
    monkeypatch.setattr(library, "PAPER", replace(SMALL, batch=2))
    rows = library.library(ONCE)
    assert [row["fusion"] for row in rows] == ["late", "early"]
    assert all(row["features reused, to SAM"] > 0 for row in rows)
