"""The parts of `bench`, in the order in which they run."""

from __future__ import annotations

from benchmarks.bench.bare import bare
from benchmarks.bench.execution import capture, precision
from benchmarks.bench.growth import growth
from benchmarks.bench.memory import memory
from benchmarks.bench.naive import naive
from benchmarks.bench.packing import packing
from benchmarks.bench.steps import steps, steps_cremad

PARTS = {
    "steps": steps,
    "bare": bare,
    "naive": naive,
    "growth": growth,
    "capture": capture,
    "precision": precision,
    "packing": packing,
    "memory": memory,
    "steps_cremad": steps_cremad,
}
OPTIONAL = ("steps_cremad",)  # minutes on a CPU: only when it is named
