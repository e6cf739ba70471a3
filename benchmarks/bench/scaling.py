"""How speed scales: with modalities, batch size and width, and with runs side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from statistics import median

import torch
from torch import multiprocessing, nn

from baselines.registry import build_method
from benchmarks.bench.timing import (
    NOT_RUN,
    PAPER,
    SMALL,
    Row,
    Setting,
    Workload,
    interleaved,
    ratio,
    wait,
)
from benchmarks.training.numerics import rounding_to_tf32
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

    On small networks, where the extra work of M-SAM is the largest share, and on ResNet-18 with
    many modalities.
    """
    rows = [_of_count(images(count), setting) for count in COUNTS]
    rows += [_of_batch(batch, setting) for batch in BATCHES]
    rows += [_of_width(width, setting) for width in WIDTHS]
    batch = RESNET_CPU_BATCH if setting.device.type == "cpu" else PAPER.batch
    resnets = [replace(images(n, batch), encoder=PAPER.encoder) for n in RESNET_COUNTS]
    return rows + [_of_count(workload, setting) for workload in resnets]


def images(count: int, batch: int = SMALL.batch) -> Workload:
    """Samples of `count` modalities, each an image, for the small network."""
    shapes = {f"modality_{i}": SHAPE for i in range(count)}
    return replace(SMALL, data="images", shapes=shapes, batch=batch)


def _of_count(workload: Workload, setting: Setting) -> Row:
    methods = {n: workload.method(n, "late", setting.device) for n in ("msam", "sam")}
    return _row("modalities", len(workload.shapes), workload, methods, setting)


def _of_batch(batch: int, setting: Setting) -> Row:
    workload = images(2, batch)
    methods = {n: workload.method(n, "late", setting.device) for n in ("msam", "sam")}
    return _row("batch", batch, workload, methods, setting)


def _of_width(width: int, setting: Setting) -> Row:
    workload = images(2)
    methods = {n: _plain_method(n, workload, width, setting.device) for n in ("msam", "sam")}
    return _row("width", width, workload, methods, setting)


def _plain_method(name: str, workload: Workload, width: int, device: torch.device) -> Method:
    """On two-layer convolutional encoders whose number of channels can be chosen."""
    torch.manual_seed(0)
    encoders = {m: _encoder(width) for m in workload.shapes}
    fusion = LateFusion(dict.fromkeys(encoders, 2 * width), workload.classes)
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
    what: str, value: int, workload: Workload, methods: dict[str, Method], setting: Setting
) -> Row:
    inputs, labels = workload.random_batch(setting.device)
    actions = {name: lambda m=m: m.step(inputs, labels) for name, m in methods.items()}
    times = interleaved(actions, setting)
    return {
        "encoder": "two layers" if what == "width" else workload.encoder,
        "batch": workload.batch,
        "varied": what,
        "value": value,
        "msam over sam": ratio(times, "msam", "sam"),
    }


RUNS = (1, 2, 4, 8)
STEPS = 40
MOST_ROUNDS = 3  # a round starts a process for every run


def packing(setting: Setting) -> list[Row]:
    """M-SAM steps of all runs together per second, over those of one run alone.

    On a CPU a run has one thread and the small network, and at most as many runs as cores.
    """
    cuda = setting.device.type == "cuda"
    counts = [n for n in RUNS if cuda or n <= min(2, os.cpu_count() or 1)]
    rates: dict[int, list[float]] = {n: [] for n in counts}
    for _ in range(min(setting.rounds, MOST_ROUNDS)):
        for n in counts:
            rates[n].append(rate(n, setting.device))
    speeds = {n: median(r / one for r, one in zip(rates[n], rates[1], strict=True)) for n in counts}
    return [{"runs": n, "throughput over one run": speeds.get(n, NOT_RUN)} for n in RUNS]


def rate(runs: int, device: torch.device) -> float:
    """Steps per second of `runs` processes together, from when all are ready to the last one."""
    context = multiprocessing.get_context("spawn")
    ready, seconds = context.Barrier(runs), context.Queue()
    processes = [
        context.Process(target=_run_steps, args=(str(device), ready, seconds)) for _ in range(runs)
    ]
    for process in processes:
        process.start()
    _wait_for(processes, ready)
    if any(process.exitcode for process in processes):
        raise OSError(f"one of {runs} runs side by side ended with an error")
    return runs * STEPS / max(seconds.get() for _ in processes)


def _wait_for(processes: Sequence[SpawnProcess], ready: Barrier) -> None:
    """Waits for the end of all. If one ends with an error, the barrier lets the others go."""
    running = {process.sentinel: process for process in processes}
    while running:
        for sentinel in wait_for_any(list(running)):
            process = running.pop(sentinel)  # type: ignore[arg-type]
            process.join()
            if process.exitcode:
                ready.abort()


def _run_steps(name: str, ready: Barrier, seconds: Queue) -> None:
    torch.set_num_threads(1)
    device = torch.device(name)
    workload = SMALL if device.type == "cpu" else PAPER
    method, batch = workload.method("msam", "late", device), workload.random_batch(device)
    with rounding_to_tf32(False):
        method.step(*batch)
    wait(device)
    ready.wait(timeout=300)
    started = time.perf_counter()
    with rounding_to_tf32(False):
        for _ in range(STEPS):
            method.step(*batch)
    wait(device)
    seconds.put(time.perf_counter() - started)
