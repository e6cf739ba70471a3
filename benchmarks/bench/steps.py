"""Step times of every method: samples per second, and ratios to Joint-Train and SAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.bench.timing import (
    Batch,
    Row,
    Seconds,
    Setting,
    Workload,
    interleaved,
    ratio,
)
from benchmarks.configs.load import load_config
from benchmarks.plan.networks import ALONE, networks
from benchmarks.training.epoch import show_features
from benchmarks.training.numerics import rounding_to_tf32
from datasets.registry import loader_of
from msam.method import Method
from msam.model import Inputs, MultimodalModel, evaluating

REFERENCES = (ALONE, "sam")
VARIANTS = {"ogm_ge noise=False": ("ogm_ge", {"noise": False})}  # the price of an option


def steps(setting: Setting) -> list[Row]:
    """AV-MNIST shapes, ResNet-18 and the small network, batch 64."""
    return _part("steps", setting)


def steps_small(setting: Setting) -> list[Row]:
    """The small networks on the shapes of the other stand-in data, batch 64."""
    return _part("steps_small", setting)


def steps_of(part: str) -> Callable[[Setting], list[Row]]:
    """The part that times the tables' encoder on the shapes of one dataset."""

    def measured(setting: Setting) -> list[Row]:
        return _part(part, setting)

    (network,) = networks()[part]
    config, loader = load_config().datasets[network.dataset], loader_of(network.dataset)
    on_cpu = f"batches of {loader.bench_batch_cpu} on a CPU"
    measured.__doc__ = f"{config.label} shapes, the tables' encoder; {on_cpu}."
    return measured


def _part(part: str, setting: Setting) -> list[Row]:
    rows = []
    for network in networks()[part]:
        loader = loader_of(network.dataset)
        # The small networks and those of the first dataset are quick everywhere.
        alone = part == f"steps_{network.dataset}"
        batch = loader.bench_batch_cpu if alone and setting.device.type == "cpu" else 64
        at_once = loader.bench_methods_at_once if alone else None
        rows += measure(Workload(**vars(network), batch=batch), setting, at_once)
    return rows


def measure(workload: Workload, setting: Setting, at_once: int | None = None) -> list[Row]:
    """A row per fusion and method, and per modality alone, for training and for evaluation.

    With `at_once`, only so many methods are in memory together, each time with the two references.
    """
    rows = []
    for fusion in ("late", "early"):
        others = [title for title in _titles(workload, fusion) if title not in REFERENCES]
        size = at_once or len(others)
        for start in range(0, len(others), size):
            group = [*REFERENCES, *others[start : start + size]]
            with rounding_to_tf32(False):
                found = _of_group(workload, fusion, group, setting, with_singles=start == 0)
            rows += found if start == 0 else found[len(REFERENCES) :]
    return rows


def _titles(workload: Workload, fusion: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """What is timed: row -> method and its hyperparameters, those of the tables."""
    config = load_config().methods
    values = {n: config[n].values(workload.dataset) for n in workload.method_names(fusion)}
    titles = {name: (name, params) for name, params in values.items()}
    for title, (name, params) in VARIANTS.items():
        if name in values:
            titles[title] = (name, {**values[name], **params})
    return titles


def _of_group(
    workload: Workload, fusion: str, group: Sequence[str], setting: Setting, with_singles: bool
) -> list[Row]:
    device = setting.device
    batch, titles = workload.random_batch(device), _titles(workload, fusion)
    methods = {t: workload.method(titles[t][0], fusion, device, **titles[t][1]) for t in group}
    steps = {title: step_of(method, batch) for title, method in methods.items()}
    actions = {title: step.run for title, step in steps.items()}
    if with_singles:
        actions |= _singles(workload, fusion, batch, device)
    times = interleaved(actions, setting, warm=True)
    for title, step in steps.items():
        times[title] = [seconds / step.epochs for seconds in times[title]]
    return _rows(workload, fusion, {title: step.passes for title, step in steps.items()}, times)


def _singles(
    workload: Workload, fusion: str, batch: Batch, device: torch.device
) -> dict[str, Callable[[], object]]:
    """One modality: the Single rows of the tables, and what evaluating any run consists of."""
    inputs, labels = batch
    actions: dict[str, Callable[[], object]] = {}
    for m, shape in workload.shapes.items():
        method = replace(workload, shapes={m: shape}).method(ALONE, fusion, device)
        alone = {m: inputs[m]}
        actions[f"{ALONE} {m}"] = partial(method.step, alone, labels)
        actions[f"evaluation {m}"] = partial(_evaluate, method.model, alone)
    for action in actions.values():
        action()  # the first call is slow; those of the methods were counted
    return actions


@torch.inference_mode()
def _evaluate(model: MultimodalModel, inputs: Inputs) -> None:
    with evaluating(model):
        model(inputs)


def _rows(
    workload: Workload, fusion: str, passes: Mapping[str, Passes], times: Seconds
) -> list[Row]:
    nothing = Passes(0.0, 0.0)
    return [
        {
            "data": workload.data,
            "encoder": workload.encoder,
            "fusion": fusion,
            "method": name,
            "batch": workload.batch,
            "forward": passes.get(name, nothing).forward or None,
            "backward": passes.get(name, nothing).backward or None,
            "seconds per step": median(times[name]),
            "samples/s": workload.batch / median(times[name]),
            "to joint_train": ratio(times, name, "joint_train"),
            "to sam": ratio(times, name, "sam"),
        }
        for name in times
    ]


@dataclass(frozen=True)
class Passes:
    """Passes of a batch through an encoder, mean over the modalities; a sample of B counts 1/B."""

    forward: float
    backward: float


def count_passes(method: Method, batch: Batch) -> Passes:
    """Takes one step and counts its passes through the encoders, its share of a survey's too."""
    inputs, labels = batch
    seen = {"forward": 0.0, "backward": 0.0}

    def count(direction: str, samples: int) -> None:
        seen[direction] += samples / len(labels) / len(inputs)

    def on_forward(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        samples = len(output)
        count("forward", samples)
        if output.requires_grad:
            output.register_hook(lambda gradient: count("backward", samples))

    hooks = [e.register_forward_hook(on_forward) for e in method.model.encoders.values()]
    method.step(inputs, labels)
    for hook in hooks:
        hook.remove()
    return Passes(seen["forward"] + method.survey, seen["backward"])


PHASES = 2  # per modality, an epoch each: boosting and rectification of Recon-Boost


@dataclass(frozen=True)
class Step:
    """`run` takes a step in each of `epochs` epochs; `passes` is the mean of a step."""

    run: Callable[[], object]
    epochs: int
    passes: Passes


def step_of(method: Method, batch: Batch) -> Step:
    """One step if all epochs are alike; else one in each epoch of the method's cycle of phases.

    What a survey costs is in the passes, a step's share of it, but not in the time of `run`.
    """
    _begin_epoch(method, batch)
    passes = count_passes(method, batch)
    epochs = PHASES * len(method.model.modalities)
    phases = set()
    for _ in range(epochs):
        phases.add(method.phase)
        _end_epoch(method)
    if len(phases) == 1:
        return Step(partial(method.step, *batch), 1, passes)
    counted = []
    for _ in range(epochs):
        _begin_epoch(method, batch)
        counted.append(count_passes(method, batch))
        _end_epoch(method)
    mean = Passes(
        sum(p.forward for p in counted) / epochs, sum(p.backward for p in counted) / epochs
    )
    return Step(partial(_step_each_epoch, method, batch, epochs), epochs, mean)


def _step_each_epoch(method: Method, batch: Batch, epochs: int) -> None:
    for _ in range(epochs):
        method.step(*batch)
        _end_epoch(method)


def _begin_epoch(method: Method, batch: Batch) -> None:
    """Begins an epoch of one step."""
    method.steps_per_epoch = 1
    if method.survey:
        show_features(method, [batch])


def _end_epoch(method: Method) -> None:
    """Ends an epoch with metrics that never change, so that no method stops or adapts."""
    outputs = ("mm", *method.model.modalities)
    method.end_epoch({f"{metric}_{o}": 0.5 for metric in ("acc", "loss") for o in outputs})
