"""The record of a finished run, and the line that reports an epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baselines.registry import method_class
from benchmarks.plan.experiment import Experiment
from benchmarks.records.code import code_of
from benchmarks.records.record import RunRecord, Status
from benchmarks.training.environment import describe_environment
from benchmarks.training.state import Training
from datasets.tensors.dataset import Dataset
from msam.parameters import hyperparameters


@dataclass(frozen=True)
class Ending:
    """How a run ended: the record's `status` and `reason`."""

    status: Status = "done"
    reason: str = ""


def make_record(
    experiment: Experiment,
    training: Training,
    ending: Ending,
    data: dict[str, Any],
    digests: Mapping[str, Any],  # sha256 by field of the record
) -> RunRecord:
    """The record of a run that ended.

    `data` comes from `describe_data`; `digests` are those of the files beside the record.
    """
    model = training.method.model
    device = next(model.parameters()).device
    defaults = {n: a.default for n, a in hyperparameters(method_class(experiment.method)).items()}
    return RunRecord(
        run_id=experiment.run_id,
        experiment=experiment,
        status=ending.status,
        reason=ending.reason,
        history=tuple(training.history),
        data=data,
        parameters=sum(p.numel() for p in model.parameters()),
        method_params={**defaults, **experiment.params},
        environment={**describe_environment(device), "capture": training.capture},
        timing={
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": sum(training.epoch_seconds),
            "epoch_seconds": training.epoch_seconds,
        },
        code=code_of(experiment.method, experiment.dataset),
        **digests,
        ended_early=ending.status == "done" and len(training.history) < experiment.epochs,
    )


def describe_data(dataset: Dataset, train_size: int) -> dict[str, Any]:
    """Which data a run was trained and measured on."""
    return {
        "stand_in": dataset.stand_in,
        "fingerprint": dataset.fingerprint,
        "split_fingerprint": dataset.split_fingerprint,
        "sizes": {"train": train_size, "val": len(dataset.val), "test": len(dataset.test)},
        "segments": dataset.spec.segments,
    }


def epoch_line(experiment: Experiment, training: Training) -> str:
    """One line on the last epoch, accuracies in percent."""
    entry = training.history[-1]
    accuracies = "  ".join(
        f"{name.removeprefix('acc_')} {100 * value:.2f}"
        for name, value in entry["test"].items()
        if name.startswith("acc_")
    )
    return (
        f"{experiment.run_id}  epoch {entry['epoch']}/{experiment.epochs}  "
        f"train loss {entry['train']['loss_mm']:.4f}  test accuracy (%) {accuracies}  "
        f"{training.epoch_seconds[-1]:.1f} s"
    )
