"""What the harness costs: Joint-Train's epoch against a plain loop over the same batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.nn import functional as F

from benchmarks.bench.timing import PAPER, SMALL, Batch, Row, Setting, Workload, interleaved, ratio
from benchmarks.plan.experiment import Experiment
from benchmarks.training.capture import make_step
from benchmarks.training.context import Reporter
from benchmarks.training.epoch import train_epoch
from benchmarks.training.state import Training
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Indexed, LowRank
from msam.model import MultimodalModel
from msam.optim import OptimConfig

RANK, DISTINCT = 4, 128  # as AV-MNIST is stored: coefficients of images, shared spectrograms


def bare(setting: Setting) -> list[Row]:
    """The share of a plain loop's speed that is left: its time over that of the harness."""
    return [_row(PAPER, 2, setting), _row(SMALL, 40, setting)]


def _row(workload: Workload, batches: int, setting: Setting) -> Row:
    split = stored_split(workload, batches).to(setting.device)
    experiment = Experiment(
        workload.data, "late", "joint_train", 0, 1, workload.batch, workload.encoder
    )
    actions = {
        "harness": harness_epoch(workload, split, experiment, setting.device),
        "bare": plain_epoch(workload, split, setting.device),
    }
    times = interleaved(actions, setting)
    return {
        "encoder": workload.encoder,
        "batches": batches,
        "bare loop over harness": ratio(times, "bare", "harness"),
    }


def stored_split(workload: Workload, batches: int) -> SplitTensors:
    """Random samples in the form in which AV-MNIST is kept on the device."""
    rng = torch.Generator().manual_seed(0)
    count = batches * workload.batch
    audio, visual = workload.shapes.values()
    spectrograms = torch.randint(256, (DISTINCT, *audio), generator=rng, dtype=torch.uint8)
    index = torch.randint(DISTINCT, (count,), generator=rng)
    weights = torch.randn(count, RANK, generator=rng)
    basis = torch.randn(RANK, torch.Size(visual).numel(), generator=rng)
    sources = [Indexed(spectrograms, index), LowRank(weights, basis, visual)]
    labels = torch.randint(workload.classes, (count,), generator=rng)
    return SplitTensors(dict(zip(workload.shapes, sources, strict=True)), labels)


def harness_epoch(
    workload: Workload, split: SplitTensors, experiment: Experiment, device: torch.device
) -> Callable[[], object]:
    """An epoch as a run trains it: gathered batches, metrics, progress."""
    method = workload.method(experiment.method, experiment.fusion, device)
    training = Training(method, *make_step(method, device, "off"))
    reporter = Reporter(lambda text: None)
    return partial(train_epoch, training, split, experiment, 1, reporter)


def plain_epoch(
    workload: Workload, split: SplitTensors, device: torch.device
) -> Callable[[], object]:
    """The same steps in the plainest loop, on batches that lie ready on the device."""
    model = workload.method("joint_train", "late", device).model.train()
    rows = torch.arange(len(split), device=device).split(workload.batch)
    settings = OptimConfig()
    optimizer = torch.optim.SGD(
        model.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay
    )
    return partial(_train, model, optimizer, [split.batch(r) for r in rows])


def _train(
    model: MultimodalModel, optimizer: torch.optim.Optimizer, batches: Sequence[Batch]
) -> None:
    for inputs, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
