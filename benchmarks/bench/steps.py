"""Step times of every method: samples per second, and ratios to Joint-Train and SAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import torch

from benchmarks.bench.subjects import Batch, Subject
from benchmarks.bench.timing import Row, Seconds, Setting, interleaved, ratio
from benchmarks.bench.work import Passes, work_of
from benchmarks.configs.load import load_config
from benchmarks.plan.networks import ALONE, networks
from datasets.registry import loader_of
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
        rows += measure(Subject(**vars(network), batch=batch), setting, at_once)
    return rows


def measure(subject: Subject, setting: Setting, at_once: int | None = None) -> list[Row]:
    """A row per fusion and method, and per modality alone, for training and for evaluation.

    With `at_once`, so many methods take turns, then the next, each time with the two references.
    """
    rows = []
    for fusion in ("late", "early"):
        others = [title for title in _titles(subject, fusion) if title not in REFERENCES]
        size = at_once or len(others)
        for start in range(0, len(others), size):
            group = [*REFERENCES, *others[start : start + size]]
            found = _of_group(subject, fusion, group, setting, with_singles=start == 0)
            rows += found if start == 0 else found[len(REFERENCES) :]
    return rows


def _titles(subject: Subject, fusion: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """What is timed: row -> method and its hyperparameters, those of the tables."""
    config = load_config().methods
    values = {n: config[n].values(subject.dataset) for n in subject.method_names(fusion)}
    titles = {name: (name, params) for name, params in values.items()}
    for title, (name, params) in VARIANTS.items():
        if name in values:
            titles[title] = (name, {**values[name], **params})
    return titles


def _of_group(
    subject: Subject, fusion: str, group: Sequence[str], setting: Setting, with_singles: bool
) -> list[Row]:
    device = setting.device
    batch, titles = subject.random_batch(device), _titles(subject, fusion)
    methods = {t: subject.method(titles[t][0], fusion, device, **titles[t][1]) for t in group}
    works = {title: work_of(method, batch) for title, method in methods.items()}
    actions = {title: work.act for title, work in works.items()}
    if with_singles:
        actions |= _singles(subject, fusion, batch, device)
    times = interleaved(actions, setting, warm=True)
    for title, work in works.items():
        times[title] = [seconds / work.epochs for seconds in times[title]]
    return _rows(subject, fusion, {title: work.passes for title, work in works.items()}, times)


def _singles(
    subject: Subject, fusion: str, batch: Batch, device: torch.device
) -> dict[str, Callable[[], object]]:
    """One modality: the Single rows of the tables, and what evaluating any run consists of."""
    inputs, labels = batch
    actions: dict[str, Callable[[], object]] = {}
    for m, shape in subject.shapes.items():
        method = replace(subject, shapes={m: shape}).method(ALONE, fusion, device)
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


def _rows(subject: Subject, fusion: str, passes: Mapping[str, Passes], times: Seconds) -> list[Row]:
    nothing = Passes(0.0, 0.0)
    return [
        {
            "data": subject.data,
            "encoder": subject.encoder,
            "fusion": fusion,
            "method": name,
            "batch": subject.batch,
            "forward": passes.get(name, nothing).forward or None,
            "backward": passes.get(name, nothing).backward or None,
            "seconds per step": median(times[name]),
            "samples/s": subject.batch / median(times[name]),
            "to joint_train": ratio(times, name, "joint_train"),
            "to sam": ratio(times, name, "sam"),
        }
        for name in times
    ]
