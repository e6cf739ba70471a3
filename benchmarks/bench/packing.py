"""Several runs side by side on one device: the throughput of all relative to one alone."""

from __future__ import annotations

import os
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from statistics import median

import torch
from torch import multiprocessing

from benchmarks.bench.subjects import PAPER, SMALL
from benchmarks.bench.timing import NOT_RUN, Row, Setting, wait

COUNTS = (1, 2, 4, 8)
STEPS = 40
MOST_ROUNDS = 3  # a round starts a process for every run


def packing(setting: Setting) -> list[Row]:
    """M-SAM steps of all runs together per second, over those of one run alone.

    On a CPU a run has one thread and the small network, and there are no more runs than cores.
    """
    cuda = setting.device.type == "cuda"
    counts = [n for n in COUNTS if cuda or n <= min(2, os.cpu_count() or 1)]
    rates: dict[int, list[float]] = {n: [] for n in counts}
    for _ in range(min(setting.rounds, MOST_ROUNDS)):
        for n in counts:
            rates[n].append(rate(n, setting.device))
    speeds = {n: median(r / one for r, one in zip(rates[n], rates[1], strict=True)) for n in counts}
    return [{"runs": n, "throughput over one run": speeds.get(n, NOT_RUN)} for n in COUNTS]


def rate(runs: int, device: torch.device) -> float:
    """Steps per second of `runs` processes together, from when all are ready to the last one."""
    context = multiprocessing.get_context("spawn")
    ready, seconds = context.Barrier(runs), context.Queue()
    processes = [
        context.Process(target=_train, args=(str(device), ready, seconds)) for _ in range(runs)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise OSError(f"one of {runs} runs side by side ended with an error")
    return runs * STEPS / max(seconds.get() for _ in processes)


def _train(name: str, ready: Barrier, seconds: Queue) -> None:
    torch.set_num_threads(1)
    device = torch.device(name)
    subject = SMALL if device.type == "cpu" else PAPER
    method, batch = subject.method("msam", "late", device), subject.random_batch(device)
    method.step(*batch)
    wait(device)
    ready.wait(timeout=300)
    started = time.perf_counter()
    for _ in range(STEPS):
        method.step(*batch)
    wait(device)
    seconds.put(time.perf_counter() - started)
