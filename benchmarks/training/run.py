"""One run: an experiment and a dataset in, a record out. Resumes where it stopped."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from benchmarks.plan.experiment import Experiment, derive_seed
from benchmarks.records.code import code_of
from benchmarks.records.files import set_aside
from benchmarks.records.folders import Folders
from benchmarks.records.predictions import save_predictions
from benchmarks.records.record import RunRecord
from benchmarks.training.checkpoint import keep_checkpoint, load_checkpoint, previous, save_weights
from benchmarks.training.epoch import Diverged, run_epoch
from benchmarks.training.execution import DEFAULT, Execution, Reporter, Stopped
from benchmarks.training.result import Ending, epoch_line, make_record
from benchmarks.training.state import Training
from datasets.tensors.dataset import Dataset, SplitTensors


def run(
    experiment: Experiment,
    dataset: Dataset,
    folders: Folders,
    device: torch.device,
    reporter: Reporter,
    execution: Execution = DEFAULT,
) -> RunRecord:
    """Trains, evaluates after every epoch, and writes predictions and the record.

    Goes on from a checkpoint if there is one; the record is then the same as without the
    interruption, timing aside. Asked to stop, it saves the epoch under way and raises Stopped; a
    process that is killed loses that epoch.
    """
    train = training_part(dataset.train, experiment).to(device)
    held_out = {"val": dataset.val.to(device), "test": dataset.test.to(device)}
    checkpoint = folders.checkpoint(experiment.run_id)
    training = start_or_resume(experiment, dataset, checkpoint, device, reporter, execution)
    ending = _train(training, train, held_out, experiment, checkpoint, reporter)
    labels = dataset.test.flat_labels.to(torch.int16).cpu().numpy()
    path = folders.predictions(experiment.run_id)
    digest = save_predictions(path, labels, training.numpy_predictions())
    if execution.keep_weights and ending.status == "done":
        save_weights(folders.weights(experiment.run_id), training.method.model)
    record = make_record(experiment, dataset, training, len(train), ending, digest)
    record.save(folders.record(experiment.run_id))
    for path in (previous(checkpoint), checkpoint):
        path.unlink(missing_ok=True)
    return record


def _train(
    training: Training,
    train: SplitTensors,
    held_out: dict[str, SplitTensors],
    experiment: Experiment,
    checkpoint: Path,
    reporter: Reporter,
) -> Ending:
    """The epochs that are left, each with its checkpoint; raises Stopped, with one, too."""
    while len(training.history) < experiment.epochs and not training.method.finished:
        try:
            run_epoch(training, train, held_out, experiment, reporter)
        except Diverged as error:
            return Ending("diverged", str(error))
        except Stopped:
            keep(checkpoint, experiment, training)
            raise
        keep(checkpoint, experiment, training)
        reporter.say(epoch_line(experiment, training))
    return Ending()


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


def keep(checkpoint: Path, experiment: Experiment, training: Training) -> None:
    """Saves the state of a run and which code led to it."""
    code = code_of(experiment.method, experiment.dataset)
    keep_checkpoint(checkpoint, {**training.state_dict(), "code": code})


def start_or_resume(
    experiment: Experiment,
    dataset: Dataset,
    checkpoint: Path,
    device: torch.device,
    reporter: Reporter,
    execution: Execution = DEFAULT,
) -> Training:
    """Goes on from the checkpoint, or from the one before it if the newest is gone or damaged.

    A damaged one is set aside and named. One of other code is not gone on from: the record would
    be of neither.
    """
    for path in (checkpoint, previous(checkpoint)):
        if not path.exists():
            continue
        # One for each file, as loading may leave it half done.
        training = Training.start(experiment, dataset.spec, device, execution.capture)
        try:
            state = load_checkpoint(path)
            training.load_state_dict(state)
        except torch.OutOfMemoryError:
            raise  # the file is fine: the run goes on from it when there is room
        except (ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
            aside = set_aside(path)
            reporter.say(f"{experiment.run_id}  {error}; it is now {aside.name}")
            continue
        if _of_this_code(state, experiment):
            reporter.say(f"{experiment.run_id}  resuming {position(training)}")
            return training
        reporter.say(f"{experiment.run_id}  the code changed since its checkpoint: starting again")
        break
    return Training.start(experiment, dataset.spec, device, execution.capture)


def position(training: Training) -> str:
    """How far a run has come, in words."""
    steps = training.partial.get("steps", 0)
    return f"after epoch {len(training.history)}" + (f" and {steps} steps" if steps else "")


def _of_this_code(state: dict[str, Any], experiment: Experiment) -> bool:
    return state.get("code") == code_of(experiment.method, experiment.dataset)
