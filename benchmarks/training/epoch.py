"""One epoch: every batch once, then an evaluation. Stops after any step and resumes exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.plan.experiment import Experiment, derive_seed
from benchmarks.records.predictions import LOGITS
from benchmarks.training.context import Reporter, Stopped
from benchmarks.training.evaluate import evaluate
from benchmarks.training.numerics import computing_in
from benchmarks.training.state import Predictions, Training
from datasets.tensors.dataset import SplitTensors
from msam.method import Method
from msam.model import Features, Inputs, evaluating


class Diverged(Exception):
    """A loss, an accuracy or another metric is not a finite number."""


def run_epoch(
    training: Training,
    train: SplitTensors,
    held_out: dict[str, SplitTensors],
    experiment: Experiment,
    reporter: Reporter,
) -> None:
    """Trains one epoch and adds its metrics to `training`; the method sees those of `val` only.

    Raises Diverged or Stopped; then nothing is added.
    """
    started = time.perf_counter() - training.partial.get("seconds", 0.0)
    epoch = len(training.history) + 1
    lr = training.method.optimizer.param_groups[0]["lr"]
    try:
        means = train_epoch(training, train, experiment, epoch, reporter)
    except Stopped:
        training.partial["seconds"] = time.perf_counter() - started
        raise
    with computing_in(training.method.model, "fp32"):
        results = {name: evaluate(training.method.model, part) for name, part in held_out.items()}
    entry: dict[str, Any] = {"epoch": epoch, "lr": lr, "train": means}
    entry |= {name: result.metrics for name, result in results.items()}
    for part in ("train", *held_out):
        refuse_non_finite(entry[part], f"epoch {epoch}, {part}")
    logits = {f"{name}{LOGITS}": z for name, z in results["test"].logits.items()}
    predictions: Predictions = {**results["test"].predictions, **logits}
    training.method.end_epoch(dict(entry["val"]))
    training.add(entry, predictions, time.perf_counter() - started)


def train_epoch(
    training: Training,
    split: SplitTensors,
    experiment: Experiment,
    epoch: int,
    reporter: Reporter,
) -> dict[str, float]:
    """One pass over the training rows in full batches; the means of what `step` returned.

    The order depends on seed and epoch alone, so every method sees the same batches. Rows that do
    not fill the last batch are left out of this epoch. When the reporter says stop, the number of
    steps done, the sums of what they returned and the state of the random numbers are kept in
    `training.partial`, and Stopped is raised; the next call resumes exactly there.
    """
    device, method = split.labels.device, training.method
    batches = batch_order(len(split), experiment, epoch).to(device)
    method.steps_per_epoch = len(batches)
    random = Randomness.of_epoch(experiment, epoch, method.generator, device)
    partial = training.partial
    done, totals = partial.get("steps", 0), dict(partial.get("totals", {}))
    if partial:
        totals = {name: total.to(device) for name, total in totals.items()}
        random.load_state_dict(partial["random"])
    method.model.train()
    with computing_in(method.model, experiment.precision):
        if method.survey and not partial:
            rows = batch_order(len(split), experiment, epoch, "survey").to(device)
            shown = rows[: surveyed_batches(method.survey, len(rows))]
            show_features(method, (split.batch(index) for index in shown))
        for index in reporter.track(batches[done:], f"{experiment.run_id} epoch {epoch}"):
            for name, value in training.step(*split.batch(index, random.augmentation)).items():
                totals[name] = totals[name] + value if name in totals else value
            done += 1
            if reporter.stop():
                state = {"steps": done, "totals": totals, "random": random.state_dict()}
                training.partial = state
                raise Stopped(f"epoch {epoch}, step {done} of {len(batches)}")
    means = (torch.stack(list(totals.values())).double() / len(batches)).tolist()
    return dict(zip(totals, means, strict=True))


def batch_order(rows: int, experiment: Experiment, epoch: int, stream: str = "order") -> Tensor:
    """The rows of every full batch of an epoch, (steps, B), at random. `stream` names the random
    numbers: another name, another order."""
    size = experiment.batch_size
    generator = torch.Generator().manual_seed(derive_seed(experiment.seed, stream, epoch))
    return torch.randperm(rows, generator=generator)[: rows // size * size].view(-1, size)


def surveyed_batches(share: float, steps: int) -> int:
    """How many of an epoch's `steps` batches a survey of this share takes: one at least."""
    return max(1, math.floor(share * steps))


@torch.no_grad()
def show_features(method: Method, batches: Iterable[tuple[Inputs, Tensor]]) -> None:
    """Encodes the batches in evaluation mode; `method.observe` gets all features and labels."""
    encoded: list[Features] = []
    labels: list[Tensor] = []
    with evaluating(method.model):
        for inputs, targets in batches:
            encoded.append(method.model.encode(inputs))
            labels.append(targets)
        features = {m: torch.cat([part[m] for part in encoded]) for m in method.model.modalities}
        method.observe(features, torch.cat(labels))


@dataclass(frozen=True)
class Randomness:
    """The random numbers of an epoch: torch's own (dropout), augmentation, the method's draws."""

    device: torch.device
    augmentation: torch.Generator
    method: torch.Generator

    @classmethod
    def of_epoch(
        cls, experiment: Experiment, epoch: int, method: torch.Generator, device: torch.device
    ) -> Randomness:
        """Seeded by seed and epoch alone."""
        torch.manual_seed(derive_seed(experiment.seed, "dropout", epoch))
        augmentation = torch.Generator(device)
        augmentation.manual_seed(derive_seed(experiment.seed, "augmentation", epoch))
        method.manual_seed(derive_seed(experiment.seed, "method", epoch))
        return cls(device, augmentation, method)

    def state_dict(self) -> dict[str, Tensor]:
        """The state of every generator, as byte tensors."""
        own = {"augmentation": self.augmentation.get_state(), "method": self.method.get_state()}
        if self.device.type == "cuda":
            own["cuda"] = torch.cuda.get_rng_state(self.device)
        return {**own, "cpu": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores what `state_dict` returned."""
        self.augmentation.set_state(state["augmentation"])
        self.method.set_state(state["method"])
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)


def refuse_non_finite(metrics: dict[str, float], where: str) -> None:
    """Raises Diverged, naming the metrics that are not finite numbers."""
    if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
        raise Diverged(f"{where}: {', '.join(wrong)} became infinite or NaN")
