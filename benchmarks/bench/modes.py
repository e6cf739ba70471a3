"""The same step eager or captured, in each precision and memory format, and deterministic."""

from __future__ import annotations

from functools import partial
from itertools import product

import torch

from benchmarks.bench.timing import (
    NOT_RUN,
    PAPER,
    Batch,
    Row,
    Setting,
    Workload,
    interleaved,
    ratio,
)
from benchmarks.training.capture import CapturedStep, record_cuda_graph
from benchmarks.training.numerics import computing_in, deterministic
from msam.method import Method

METHODS_TIMED = ("joint_train", "sam", "msam")
PRECISIONS = ("fp32", "tf32", "bf16")
FORMATS = ("", " channels_last")


def capture(setting: Setting) -> list[Row]:
    """How much faster a captured step is than an eager one, for every method."""
    names = PAPER.method_names("late")
    if setting.device.type != "cuda":
        return [{"method": name, "eager over captured": NOT_RUN} for name in names]
    return [_captured(name, setting) for name in names]


def _captured(name: str, setting: Setting) -> Row:
    eager, other = (PAPER.method(name, "late", setting.device) for _ in range(2))
    if eager.uncapturable:
        return {"method": name, "eager over captured": eager.uncapturable}
    inputs, labels = PAPER.random_batch(setting.device)
    replayed = CapturedStep(other, record_cuda_graph)
    ways = {"eager": eager.step, "captured": replayed}
    actions = {title: lambda step=step: step(inputs, labels) for title, step in ways.items()}
    times = interleaved(actions, setting)
    return {"method": name, "eager over captured": ratio(times, "eager", "captured")}


def precision(setting: Setting) -> list[Row]:
    """The speed of each precision and memory format relative to fp32, contiguous."""
    return [_precisions(name, PAPER, setting) for name in METHODS_TIMED]


def _precisions(name: str, workload: Workload, setting: Setting) -> Row:
    batch = workload.random_batch(setting.device)
    actions = {}
    for way in product(PRECISIONS, FORMATS):
        if way[0] != "tf32" or setting.device.type == "cuda":
            method = workload.method(name, "late", setting.device)
            if way[1]:
                method.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            actions["".join(way)] = partial(_step_in, way[0], method, batch)
    times = interleaved(actions, setting)
    ways = map("".join, product(PRECISIONS, FORMATS))
    speeds = {way: ratio(times, "fp32", way) if way in times else NOT_RUN for way in ways}
    return {"method": name, **{f"{way} speed": value for way, value in speeds.items()}}


def _step_in(name: str, method: Method, batch: Batch) -> None:
    with computing_in(method.model, name):
        method.step(*batch)


def determinism(setting: Setting) -> list[Row]:
    """The price of `--deterministic`: the time of a step with it over one without."""
    return [_deterministic(name, PAPER, setting) for name in METHODS_TIMED]


def _deterministic(name: str, workload: Workload, setting: Setting) -> Row:
    batch = workload.random_batch(setting.device)
    # First, as cuBLAS takes its workspace's size from the environment at the first call.
    methods = {with_: workload.method(name, "late", setting.device) for with_ in (True, False)}
    actions = {str(w): lambda w=w, m=m: _step_with(w, m, batch) for w, m in methods.items()}
    try:
        price: float | str = ratio(interleaved(actions, setting), "True", "False")
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        price = str(error).split(".")[0]  # names the operation that is not deterministic
    where = {"cpu": NOT_RUN, "cuda": NOT_RUN, setting.device.type: price}
    return {"method": name, **{f"deterministic over default, {d}": v for d, v in where.items()}}


def _step_with(wanted: bool, method: Method, batch: Batch) -> None:
    with deterministic(wanted):
        method.step(*batch)
