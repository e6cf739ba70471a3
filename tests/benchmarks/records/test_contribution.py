"""The factor of the control SAM (scaled), read from the record of the matching M-SAM run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.plan.experiment import Experiment
from benchmarks.records.contribution import FROM_MSAM, mean_dominant_contribution, resolved
from benchmarks.records.record import RunRecord

MSAM = Experiment("avmnist", "late", "msam", 1, 2, 8, "small_cnn", params={"rho": 0.05})
CONTROL = replace(MSAM, method="sam_scaled", params={"rho": 0.05, "factor": FROM_MSAM})


def record(experiment=MSAM, status="done", shares=(0.6, 0.8), **params):
    history = tuple(
        {"epoch": i, "train": {"contribution_dominant": x}} for i, x in enumerate(shares)
    )
    known = {"rho": 0.05, "split": "scalar", **params}
    return RunRecord(experiment.run_id, experiment, status, "", history, method_params=known)


def test_the_factor_is_the_mean_over_the_epochs():
    assert mean_dominant_contribution(record()) == pytest.approx(0.7)
    found = resolved(CONTROL, [record()])
    assert found.params == pytest.approx({"rho": 0.05, "factor": 0.7})
    assert found == replace(CONTROL, params=found.params)


def test_a_given_number_stays():
    given = replace(CONTROL, params={"rho": 0.05, "factor": 0.9})
    assert resolved(given, []) is given


@pytest.mark.parametrize(
    "other",
    [
        record(replace(MSAM, seed=2)),
        record(replace(MSAM, method="sam")),
        record(replace(MSAM, fusion="early")),
        record(status="failed"),
        record(rho=0.1),
        record(split="response"),
    ],
    ids=["seed", "method", "fusion", "status", "rho", "split"],
)
def test_a_run_with_other_settings_is_not_taken(other):
    with pytest.raises(ValueError, match="found: none"):
        resolved(CONTROL, [other])
    assert resolved(CONTROL, [other, record()]).params["factor"] == pytest.approx(0.7)


def test_two_matching_runs_are_named():
    both = [record(), record(replace(MSAM, params={"rho": 0.05, "value": "logit"}))]
    with pytest.raises(ValueError, match="exactly one") as caught:
        resolved(CONTROL, both)
    assert all(r.run_id in str(caught.value) for r in both)


def test_a_record_without_the_mean_is_refused():
    with pytest.raises(ValueError, match="contribution_dominant"):
        mean_dominant_contribution(replace(record(), history=({"train": {}},)))
    with pytest.raises(ValueError, match="contribution_dominant"):
        mean_dominant_contribution(replace(record(), history=()))
