"""How strongly M-SAM weighted its dominant modality: the radius of the matching SAM control."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean

from benchmarks.plan.experiment import Experiment
from benchmarks.records.record import RunRecord

FROM_MSAM = "from-msam"


def mean_dominant_contribution(record: RunRecord) -> float:
    """The mean of nu_d = max_m nu_m over all training steps; every epoch has equally many.

    The contributions' own means do not give it: the dominant modality changes between batches.
    """
    key = "contribution_dominant"
    epochs = [epoch.get("train", {}).get(key) for epoch in record.history]
    if not epochs or None in epochs:
        raise ValueError(f"{record.run_id} has no '{key}' in every epoch: train it again")
    return fmean(epochs)


def resolved(experiment: Experiment, records: Iterable[RunRecord]) -> Experiment:
    """`factor=from-msam` replaced by the mean nu_d of the M-SAM run that differs in the method
    alone: same data, seed, schedule and rho, the scalar split. ValueError if there is none."""
    params = dict(experiment.params)
    if params.get("factor") != FROM_MSAM:
        return experiment
    found = [record for record in records if _matches(record, experiment)]
    if len(found) != 1:
        found_ids = ", ".join(record.run_id for record in found) or "none"
        raise ValueError(
            f"factor={FROM_MSAM} needs exactly one finished M-SAM run with these settings and "
            f"rho={params.get('rho')}; found: {found_ids}. Train it, or give the number"
        )
    return replace(experiment, params=params | {"factor": mean_dominant_contribution(found[0])})


def _matches(record: RunRecord, experiment: Experiment) -> bool:
    wanted = replace(experiment, method="msam", params=record.experiment.params)
    settings = {"rho": experiment.params.get("rho"), "split": "scalar"}
    same_settings = all(record.method_params.get(k) == v for k, v in settings.items())
    return record.status == "done" and record.experiment == wanted and same_settings
