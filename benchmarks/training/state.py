"""A run in progress: the model, the method, and what was measured so far."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from baselines.registry import build_method
from benchmarks.models import build_model
from benchmarks.plan.experiment import Experiment, derive_seed
from benchmarks.records.predictions import LOGITS
from benchmarks.records.selection import candidate_epochs, logit_epochs
from benchmarks.training.capture import Step, make_step
from benchmarks.training.context import Capture
from datasets.spec import DatasetSpec
from msam.method import Method

MEMORY_FORMATS = {
    "contiguous": torch.preserve_format,
    "channels_last": torch.channels_last,
}
Predictions = dict[str, Tensor]  # output -> (N,) int16, <output>_logits -> (N, C) float16


@dataclass
class Training:
    """Everything that a checkpoint holds. `predictions` has the epochs a rule may report.

    `step` trains on a batch: it is the method's own step or its replay, and `capture` says which
    and why. `partial` says how far a stopped epoch came, see `train_epoch`; empty between epochs.
    """

    method: Method
    step: Step
    capture: str
    history: list[dict[str, Any]] = field(default_factory=list)
    predictions: dict[int, Predictions] = field(default_factory=dict)
    epoch_seconds: list[float] = field(default_factory=list)
    partial: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        experiment: Experiment,
        spec: DatasetSpec,
        device: torch.device,
        capture: Capture = "off",
        fixed_shapes: bool = True,
    ) -> Training:
        """A fresh model and method; weights depend on the seed alone, not on the method.

        `fixed_shapes`: all batches have the same shapes, which a captured step needs.
        """
        shapes = {m: spec.shapes[m] for m in experiment.modalities or spec.modalities}
        torch.manual_seed(derive_seed(experiment.seed, "init"))
        model = build_model(shapes, spec.classes, experiment.fusion, experiment.encoder)
        memory_format = MEMORY_FORMATS[experiment.memory_format]
        model.to(device, memory_format=memory_format)  # type: ignore[call-overload]  # of convolutions; their outputs follow
        method = build_method(experiment.method, model, experiment.optim, **experiment.params)
        return cls(method, *make_step(method, device, capture, fixed_shapes))

    def add(self, epoch: dict[str, Any], predictions: Predictions, seconds: float) -> None:
        """Adds a finished epoch and drops the arrays that are not to be stored any more."""
        self.history.append(epoch)
        self.epoch_seconds.append(seconds)
        self.partial = {}
        self.predictions[epoch["epoch"]] = predictions
        kept, with_logits = candidate_epochs(self.history), logit_epochs(self.history)
        self.predictions = {
            number: {
                name: array
                for name, array in outputs.items()
                if number in with_logits or not name.endswith(LOGITS)
            }
            for number, outputs in self.predictions.items()
            if number in kept
        }

    def numpy_predictions(self) -> dict[int, dict[str, Any]]:
        """Epoch -> name -> array, see `Predictions`."""
        return {
            epoch: {name: array.numpy() for name, array in outputs.items()}
            for epoch, outputs in self.predictions.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, so that `weights_only` loading suffices."""
        return {
            "model": self.method.model.state_dict(),
            "method": self.method.state_dict(),
            "history": json.dumps(self.history),
            "predictions": self.predictions,
            "epoch_seconds": self.epoch_seconds,
            "partial": self.partial,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.method.model.load_state_dict(state["model"])
        self.method.load_state_dict(state["method"])
        self.history = json.loads(state["history"])
        self.predictions = state["predictions"]
        self.epoch_seconds = state["epoch_seconds"]
        self.partial = state["partial"]
