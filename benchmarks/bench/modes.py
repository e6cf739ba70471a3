"""The same step eager or captured, in each precision, and with `--deterministic`."""

from __future__ import annotations

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
    """The speed of each precision relative to fp32."""
    return [_precisions(name, PAPER, setting) for name in METHODS_TIMED]


def _precisions(name: str, workload: Workload, setting: Setting) -> Row:
    batch = workload.random_batch(setting.device)
    tried = [p for p in PRECISIONS if p != "tf32" or setting.device.type == "cuda"]
    methods = {p: workload.method(name, "late", setting.device) for p in tried}
    actions = {p: lambda p=p, m=m: _step_in(p, m, batch) for p, m in methods.items()}
    times = interleaved(actions, setting)
    speeds = {p: ratio(times, "fp32", p) if p in times else NOT_RUN for p in PRECISIONS}
    return {"method": name, **{f"{p} speed": value for p, value in speeds.items()}}


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
