"""Step times of every method: samples per second, and ratios to Joint-Train and SAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from statistics import median

import torch

from benchmarks.bench.passes import Passes, count_passes
from benchmarks.bench.subjects import LARGE, PAPER, SMALL, Batch, Subject
from benchmarks.bench.timing import Row, Seconds, Setting, interleaved, ratio
from msam.method import Method
from msam.model import MultimodalModel, evaluating

VARIANTS = {"ogm_ge noise=False": ("ogm_ge", {"noise": False})}  # the price of an option


def steps(setting: Setting) -> list[Row]:
    """AV-MNIST shapes, ResNet-18 and the small network, batch 64."""
    return [row for s in (PAPER, SMALL) for row in measure(s, setting)]


def steps_cremad(setting: Setting) -> list[Row]:
    """CREMA-D shapes, ResNet-18; batches of 4 on a CPU, where 64 would take minutes a step."""
    subject = LARGE if setting.device.type == "cpu" else replace(LARGE, batch=64)
    return measure(subject, setting)


def measure(subject: Subject, setting: Setting) -> list[Row]:
    """A row per fusion and method, per modality alone, and for evaluation."""
    return [row for fusion in ("late", "early") for row in _of_fusion(subject, fusion, setting)]


def _of_fusion(subject: Subject, fusion: str, setting: Setting) -> list[Row]:
    device = setting.device
    batch = subject.random_batch(device)
    methods = {n: subject.method(n, fusion, device) for n in subject.method_names(fusion)}
    for title, (name, params) in VARIANTS.items():
        if name in methods:
            methods[title] = subject.method(name, fusion, device, **params)
    passes = {name: count_passes(method, batch) for name, method in methods.items()}
    actions: dict[str, Callable[[], object]] = {
        name: partial(method.step, *batch) for name, method in methods.items()
    }
    actions["evaluation"] = partial(_evaluate, methods["joint_train"].model, batch)
    actions |= _singles(subject, fusion, batch, device)
    return _rows(subject, fusion, passes, interleaved(actions, setting, warm=True))


def _singles(
    subject: Subject, fusion: str, batch: Batch, device: torch.device
) -> dict[str, Callable[[], object]]:
    """Joint-Train on one modality: the Single rows of the tables."""
    inputs, labels = batch
    alone: dict[str, Method] = {
        m: replace(subject, shapes={m: shape}).method("joint_train", fusion, device)
        for m, shape in subject.shapes.items()
    }
    return {
        f"joint_train {m}": partial(method.step, {m: inputs[m]}, labels)
        for m, method in alone.items()
    }


@torch.inference_mode()
def _evaluate(model: MultimodalModel, batch: Batch) -> None:
    with evaluating(model):
        model(batch[0])


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
