"""One run: an experiment and a dataset in, a record out. It resumes where it stopped."""

from __future__ import annotations

import math
import os
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.plan.experiment import Experiment, derive_seed
from benchmarks.records.code import code_of
from benchmarks.records.files import set_aside
from benchmarks.records.predictions import save_logits, save_predictions
from benchmarks.records.record import RunRecord
from benchmarks.training.checkpoint import keep_checkpoint, load_checkpoint, previous, save_weights
from benchmarks.training.context import RunContext, Stopped
from benchmarks.training.device_errors import is_broken, is_out_of_memory
from benchmarks.training.epoch import Diverged, run_epoch
from benchmarks.training.result import Ending, describe_data, epoch_line, make_record
from benchmarks.training.state import Training
from datasets.tensors.dataset import Dataset, SplitTensors


def run(experiment: Experiment, dataset: Dataset, context: RunContext) -> RunRecord:
    """Trains, evaluates after every epoch, and writes predictions and the record.

    Resumes from a checkpoint if there is one; the record is then the same as without the
    interruption, timing aside. When the reporter says stop, saves the epoch under way and raises
    Stopped; a process that is killed loses what it did since the last checkpoint, see `patience`.
    """
    folders, run_id = context.folders, experiment.run_id
    train = training_part(dataset.train, experiment).to(context.device)
    held_out = {"val": dataset.val.to(context.device), "test": dataset.test.to(context.device)}
    checkpoint = folders.checkpoint(run_id)
    training = start_or_resume(experiment, dataset, context)
    ending = _train(training, train, held_out, experiment, context)
    labels = dataset.test.flat_labels.to(torch.int16).cpu().numpy()
    arrays = training.numpy_predictions()
    digests = {
        "predictions_sha256": save_predictions(folders.predictions(run_id), labels, arrays),
        "logits_sha256": save_logits(folders.logits(run_id), arrays),
    }
    if context.settings.keep_weights and ending.status == "done":
        save_weights(folders.weights(run_id), training.method.model)
    data = describe_data(dataset, len(train))
    record = make_record(experiment, training, ending, data, digests)
    record.save(folders.record(run_id))
    for path in (previous(checkpoint), checkpoint):
        path.unlink(missing_ok=True)
    return record


def _train(
    training: Training,
    train: SplitTensors,
    held_out: dict[str, SplitTensors],
    experiment: Experiment,
    context: RunContext,
) -> Ending:
    """Trains the epochs that are left; saves a checkpoint between them if one is due.

    Raises Stopped, after saving a checkpoint too.
    """
    checkpoint = context.folders.checkpoint(experiment.run_id)
    wait, saved = patience(), time.monotonic()
    while len(training.history) < experiment.epochs and not training.method.finished:
        try:
            run_epoch(training, train, held_out, experiment, context.reporter)
        except Diverged as error:
            return Ending("diverged", str(error))
        except Stopped:
            _keep(checkpoint, experiment, training)
            raise
        if time.monotonic() - saved >= wait:
            _keep(checkpoint, experiment, training)
            saved = time.monotonic()
        line = epoch_line(experiment, training)
        context.reporter.tell(experiment.run_id, len(training.history), line)
    return Ending()


def patience() -> float:
    """Seconds between two checkpoints at least: the variable MSAM_CHECKPOINT_SECONDS, else 60.

    The checkpoint of a ResNet-18 per modality takes a sixth of an epoch on a GPU. 0 saves after
    every epoch. Raises ValueError if the variable is not a number from 0 on.
    """
    typed = os.environ.get("MSAM_CHECKPOINT_SECONDS", "60")
    try:
        seconds = float(typed)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ValueError(f"MSAM_CHECKPOINT_SECONDS is '{typed}'; it must be a number from 0 on")
    return seconds


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


def _keep(checkpoint: Path, experiment: Experiment, training: Training) -> None:
    """Saves the state of a run with the digests of the code and the kind of device it is from."""
    origin = {"code": code_of(experiment.method, experiment.dataset), "device": _kind(training)}
    keep_checkpoint(checkpoint, {**training.state_dict(), **origin})


def _kind(training: Training) -> str:
    """`cpu` or `cuda`."""
    return next(training.method.model.parameters()).device.type


def start_or_resume(experiment: Experiment, dataset: Dataset, context: RunContext) -> Training:
    """Resumes from the checkpoint, or from the one before it if the newest is gone or damaged.

    A damaged checkpoint is renamed and named in a line. A checkpoint of other code or of another
    kind of device is not used: the record would belong to neither.
    """
    checkpoint = context.folders.checkpoint(experiment.run_id)
    for path in (checkpoint, previous(checkpoint)):
        if not path.exists():
            continue
        # Each file gets a fresh one, as a failed load may leave it half restored.
        training = _fresh(experiment, dataset, context)
        try:
            state = load_checkpoint(path)
            if why := _other_origin(state, experiment, training):
                context.reporter.say(f"{experiment.run_id}  {why}: starting again")
                break
            training.load_state_dict(state)
        except (ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
            if is_out_of_memory(error) or is_broken(context.device):
                raise  # the file is fine: the run resumes from it when there is room
            aside = set_aside(path)
            context.reporter.say(f"{experiment.run_id}  {error}; it is now {aside.name}")
            continue
        context.reporter.say(f"{experiment.run_id}  resuming {_position(training)}")
        return training
    return _fresh(experiment, dataset, context)


def _other_origin(state: dict[str, Any], experiment: Experiment, training: Training) -> str:
    """Why a run cannot go on from a checkpoint that is not damaged; empty if it can."""
    if state.get("code") != code_of(experiment.method, experiment.dataset):
        return "the code changed since its checkpoint"
    kind = _kind(training)
    if state["device"] != kind:
        return f"its checkpoint was made on {state['device']}, and this is {kind}"
    return ""


def _fresh(experiment: Experiment, dataset: Dataset, context: RunContext) -> Training:
    capture = context.settings.capture
    fixed = dataset.train.fixed_shapes
    return Training.start(experiment, dataset.spec, context.device, capture, fixed)


def _position(training: Training) -> str:
    """How far a run has come, in words."""
    steps = training.partial.get("steps", 0)
    return f"after epoch {len(training.history)}" + (f" and {steps} steps" if steps else "")
