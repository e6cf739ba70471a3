"""How the price of M-SAM over SAM grows with modalities, batch size and width of the network."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from baselines.registry import build_method
from benchmarks.bench.subjects import PAPER, SMALL, Subject
from benchmarks.bench.timing import Row, Setting, interleaved, ratio
from msam.method import Method
from msam.model import LateFusion, MultimodalModel
from msam.optim import OptimConfig

COUNTS = (2, 3, 4, 5, 6)
BATCHES = (16, 64, 256)
WIDTHS = (16, 32, 64)
RESNET_COUNTS = (2, 6)
RESNET_CPU_BATCH = 16  # six ResNet-18 on a CPU, seven rounds: under a minute
SHAPE = (1, 28, 28)


def growth(setting: Setting) -> list[Row]:
    """M-SAM over SAM on images of 28x28 pixels, late fusion; one quantity varies at a time.

    Small networks, where whatever M-SAM adds weighs most, and ResNet-18 with many modalities.
    """
    rows = [_of_count(images(count), setting) for count in COUNTS]
    rows += [_of_batch(batch, setting) for batch in BATCHES]
    rows += [_of_width(width, setting) for width in WIDTHS]
    batch = RESNET_CPU_BATCH if setting.device.type == "cpu" else PAPER.batch
    resnets = [replace(images(n, batch), encoder=PAPER.encoder) for n in RESNET_COUNTS]
    return rows + [_of_count(subject, setting) for subject in resnets]


def images(count: int, batch: int = SMALL.batch) -> Subject:
    """Samples of `count` modalities, each an image, for the small network."""
    shapes = {f"modality_{i}": SHAPE for i in range(count)}
    return replace(SMALL, data="images", shapes=shapes, batch=batch)


def _of_count(subject: Subject, setting: Setting) -> Row:
    methods = {n: subject.method(n, "late", setting.device) for n in ("msam", "sam")}
    return _row("modalities", len(subject.shapes), subject, methods, setting)


def _of_batch(batch: int, setting: Setting) -> Row:
    subject = images(2, batch)
    methods = {n: subject.method(n, "late", setting.device) for n in ("msam", "sam")}
    return _row("batch", batch, subject, methods, setting)


def _of_width(width: int, setting: Setting) -> Row:
    subject = images(2)
    methods = {n: _plain_method(n, subject, width, setting.device) for n in ("msam", "sam")}
    return _row("width", width, subject, methods, setting)


def _plain_method(name: str, subject: Subject, width: int, device: torch.device) -> Method:
    """On two-layer convolutional encoders whose number of channels can be chosen."""
    torch.manual_seed(0)
    encoders = {m: _encoder(width) for m in subject.shapes}
    fusion = LateFusion(dict.fromkeys(encoders, 2 * width), subject.classes)
    return build_method(name, MultimodalModel(encoders, fusion).to(device), OptimConfig())


def _encoder(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(SHAPE[0], width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def _row(
    what: str, value: int, subject: Subject, methods: dict[str, Method], setting: Setting
) -> Row:
    inputs, labels = subject.random_batch(setting.device)
    actions = {name: lambda m=m: m.step(inputs, labels) for name, m in methods.items()}
    times = interleaved(actions, setting)
    return {
        "encoder": "two layers" if what == "width" else subject.encoder,
        "batch": subject.batch,
        "varied": what,
        "value": value,
        "msam over sam": ratio(times, "msam", "sam"),
    }
