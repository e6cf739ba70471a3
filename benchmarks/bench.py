"""The verb `bench`: step times of every method, as ratios measured in one run."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor, nn

from baselines import METHODS, build_method
from benchmarks.environment import describe_environment
from benchmarks.files import write_json, write_text
from benchmarks.models import build_model
from benchmarks.progress import pick_device
from benchmarks.workspace import ROOT
from msam.method import Method
from msam.optim import OptimConfig

SHAPES = {"audio": (1, 112, 112), "visual": (1, 28, 28)}  # AV-MNIST
CLASSES = 10
BATCH = 64
VARIANTS = {"ogm_ge noise=False": ("ogm_ge", {"noise": False})}  # the price of an option


def bench(arguments: Namespace, say: Callable[[str], None]) -> int:
    """Times every method on AV-MNIST shapes, ResNet-18, batch 64, late and early fusion.

    Methods take turns, a step each per round, so that a slow moment of the machine hits all of
    them; the ratios are medians over the rounds.
    """
    if arguments.rounds < 1:
        raise ValueError(f"--rounds is {arguments.rounds}; it must be at least 1")
    device = pick_device(arguments.device)
    rows = [
        row
        for fusion in ("late", "early")
        for row in _rows(fusion, *_measure(fusion, device, arguments.rounds))
    ]
    table = tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f")
    environment = describe_environment(device)
    say(f"{environment['device']}, {environment['threads']} threads, batch {BATCH}\n{table}")
    folder: Path = arguments.out or ROOT / "results" / "bench"
    write_json(folder / "steps.json", {"rows": rows, "environment": environment, "batch": BATCH})
    write_text(folder / "steps.md", table + "\n")
    say(f"written to {folder}")
    return 0


@dataclass(frozen=True)
class Passes:
    """Passes of a batch through the encoders in one step, the mean over the modalities."""

    forward: float
    backward: float


def _measure(
    fusion: str, device: torch.device, rounds: int
) -> tuple[dict[str, Passes], dict[str, list[float]]]:
    """Passes and seconds of each method's step, one time per round after a counted first step."""
    batch = {m: torch.rand(BATCH, *shape, device=device) for m, shape in SHAPES.items()}
    labels = torch.randint(CLASSES, (BATCH,), device=device)
    settings = {**{name: (name, {}) for name in METHODS}, **VARIANTS}
    methods = {
        title: _fresh(name, params, fusion, device)
        for title, (name, params) in settings.items()
        if not METHODS[name].unsupported(tuple(SHAPES), fusion)
    }
    passes = {name: _count_passes(method, batch, labels) for name, method in methods.items()}
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            times[name].append(_seconds(method, batch, labels))
    return passes, times


def _count_passes(method: Method, batch: dict[str, Tensor], labels: Tensor) -> Passes:
    """Counts samples, so that a pass of one sample counts 1/64."""
    seen = {"forward": 0.0, "backward": 0.0}

    def count(direction: str, samples: int) -> None:
        seen[direction] += samples / BATCH / len(SHAPES)

    def on_forward(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        samples = len(output)
        count("forward", samples)
        if output.requires_grad:
            output.register_hook(lambda gradient: count("backward", samples))

    hooks = [e.register_forward_hook(on_forward) for e in method.model.encoders.values()]
    method.step(batch, labels)
    for hook in hooks:
        hook.remove()
    return Passes(**seen)


def _fresh(name: str, params: dict[str, Any], fusion: str, device: torch.device) -> Method:
    torch.manual_seed(0)
    model = build_model(SHAPES, CLASSES, fusion, "resnet18").to(device)
    return build_method(name, model, OptimConfig(), **params)


def _seconds(method: Method, batch: dict[str, Tensor], labels: Tensor) -> float:
    _wait(labels.device)
    started = time.perf_counter()
    method.step(batch, labels)
    _wait(labels.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rows(
    fusion: str, passes: dict[str, Passes], times: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """A row per method: passes, median seconds, median ratios to Joint-Train and SAM."""

    def ratio(name: str, reference: str) -> float:
        pairs = zip(times[name], times[reference], strict=True)
        return median(mine / theirs for mine, theirs in pairs)

    return [
        {
            "fusion": fusion,
            "method": name,
            "forward": passes[name].forward,
            "backward": passes[name].backward,
            "seconds per step": median(times[name]),
            "to joint_train": ratio(name, "joint_train"),
            "to sam": ratio(name, "sam"),
        }
        for name in times
    ]
