"""The parts of `bench`, in the order in which they run."""

from __future__ import annotations

from benchmarks.bench.bare import bare
from benchmarks.bench.execution import capture, determinism, precision
from benchmarks.bench.growth import growth
from benchmarks.bench.memory import memory
from benchmarks.bench.naive import naive
from benchmarks.bench.packing import packing
from benchmarks.bench.steps import steps, steps_ave, steps_cremad, steps_small, steps_urfunny

PARTS = {
    "steps": steps,
    "steps_small": steps_small,
    "bare": bare,
    "naive": naive,
    "growth": growth,
    "capture": capture,
    "precision": precision,
    "determinism": determinism,
    "packing": packing,
    "memory": memory,
    "steps_cremad": steps_cremad,
    "steps_urfunny": steps_urfunny,
    "steps_ave": steps_ave,
}
