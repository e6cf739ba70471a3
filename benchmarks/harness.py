"""One run: an experiment and a dataset in, a record out. Resumes from its last finished epoch."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.capture import Capture
from benchmarks.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.evaluate import evaluate
from benchmarks.experiment import Experiment, derive_seed
from benchmarks.outcome import Ending, epoch_line, make_record, save_predictions
from benchmarks.precision import computing_in
from benchmarks.record import RunRecord
from benchmarks.sweep import Folders
from benchmarks.training import Predictions, Training
from datasets.spec import Dataset, SplitTensors


class Diverged(Exception):
    """A loss, an accuracy or another metric is no longer a finite number."""


@dataclass(frozen=True)
class Reporter:
    """How a run talks: `say` gets lines, `track` wraps an epoch's batches with a title."""

    say: Callable[[str], None]
    track: Callable[[Tensor, str], Iterable[Tensor]]


def run(
    experiment: Experiment,
    dataset: Dataset,
    folders: Folders,
    device: torch.device,
    reporter: Reporter,
    capture: Capture = "auto",
) -> RunRecord:
    """Trains, evaluates after every epoch, and writes predictions and the record.

    Goes on from a checkpoint if there is one; the record is then the same as without the
    interruption, timing aside. `capture` is how steps are executed; it changes no number.
    """
    train = training_part(dataset.train, experiment).to(device)
    held_out = {"val": dataset.val.to(device), "test": dataset.test.to(device)}
    checkpoint = folders.checkpoint(experiment.run_id)
    training = start_or_resume(experiment, dataset, checkpoint, device, reporter, capture)
    ending = Ending()
    while len(training.history) < experiment.epochs and not training.method.finished:
        try:
            run_epoch(training, train, held_out, experiment, reporter)
        except Diverged as error:
            ending = Ending("diverged", str(error))
            break
        save_checkpoint(checkpoint, training.state_dict())
        reporter.say(epoch_line(experiment, training))
    save_predictions(folders.predictions(experiment.run_id), training, dataset.test.flat_labels)
    record = make_record(experiment, dataset, training, len(train), ending)
    record.save(folders.record(experiment.run_id))
    checkpoint.unlink(missing_ok=True)
    return record


def training_part(split: SplitTensors, experiment: Experiment) -> SplitTensors:
    """The rows that this experiment trains on: all, or the same random part for every seed.

    Raises ValueError if they do not fill one batch.
    """
    if experiment.train_samples is not None and experiment.train_samples < len(split):
        generator = torch.Generator().manual_seed(derive_seed(0, "part"))
        rows = torch.randperm(len(split), generator=generator)[: experiment.train_samples]
        split = split.subset(rows.sort().values)
    if len(split) < experiment.batch_size:
        raise ValueError(
            f"{len(split)} training samples do not fill a batch of {experiment.batch_size}"
        )
    return split


def start_or_resume(
    experiment: Experiment,
    dataset: Dataset,
    checkpoint: Path,
    device: torch.device,
    reporter: Reporter,
    capture: Capture = "auto",
) -> Training:
    """Goes on from the checkpoint if there is one; a damaged one is set aside and named."""
    training = Training.start(experiment, dataset.spec, device, capture)
    if not checkpoint.exists():
        return training
    try:
        training.load_state_dict(load_checkpoint(checkpoint))
    except (ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        checkpoint.replace(checkpoint.with_suffix(".damaged"))
        reporter.say(f"{checkpoint.stem}  {error}; starting again from the first epoch")
        # The first may be half loaded.
        return Training.start(experiment, dataset.spec, device, capture)
    reporter.say(f"{checkpoint.stem}  resuming after epoch {len(training.history)}")
    return training


def run_epoch(
    training: Training,
    train: SplitTensors,
    held_out: dict[str, SplitTensors],
    experiment: Experiment,
    reporter: Reporter,
) -> None:
    """Trains one epoch and enters its metrics; the method sees those of `val` only.

    Raises Diverged, with nothing entered.
    """
    started = time.perf_counter()
    epoch = len(training.history) + 1
    lr = training.method.optimizer.param_groups[0]["lr"]
    means = train_epoch(training, train, experiment, epoch, reporter)
    with computing_in(training.method.model, "fp32"):
        results = {name: evaluate(training.method.model, part) for name, part in held_out.items()}
    entry: dict[str, Any] = {"epoch": epoch, "lr": lr, "train": means}
    entry |= {name: result.metrics for name, result in results.items()}
    for part in ("train", *held_out):
        refuse_non_finite(entry[part], f"epoch {epoch}, {part}")
    predictions: Predictions = results["test"].predictions
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
    not fill the last batch sit this epoch out.
    """
    size, method = experiment.batch_size, training.method
    generator = torch.Generator().manual_seed(derive_seed(experiment.seed, "order", epoch))
    order = torch.randperm(len(split), generator=generator)[: len(split) // size * size]
    batches = order.view(-1, size).to(split.labels.device)
    torch.manual_seed(derive_seed(experiment.seed, "dropout", epoch))
    augmentation = torch.Generator(batches.device)
    augmentation.manual_seed(derive_seed(experiment.seed, "augmentation", epoch))
    method.generator.manual_seed(derive_seed(experiment.seed, "method", epoch))
    method.model.train()
    totals: dict[str, Tensor] = {}
    with computing_in(method.model, experiment.precision):
        for index in reporter.track(batches, f"{experiment.run_id} epoch {epoch}"):
            for name, value in training.step(*split.batch(index, augmentation)).items():
                totals[name] = totals[name] + value if name in totals else value
    means = (torch.stack(list(totals.values())).double() / len(batches)).tolist()
    return dict(zip(totals, means, strict=True))


def refuse_non_finite(metrics: dict[str, float], where: str) -> None:
    """Raises Diverged naming the metrics that are no finite numbers."""
    if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
        raise Diverged(f"{where}: {', '.join(wrong)} no longer finite")
