"""Converts many clips side by side, in a work folder from which an interrupted run goes on."""

from __future__ import annotations

import multiprocessing
import shutil
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from datasets.cremad.clip import KEPT_SAMPLES, Outcome, Task, convert, read_result
from datasets.cremad.raw import label_of
from datasets.cremad.spec import PARTS
from datasets.errors import DataError
from datasets.spec import Progress
from datasets.store.arrays import Streamed
from datasets.store.atomic import WORK_SUFFIX

STAGE = "converting clips"


def convert_all(
    tasks: Iterable[Task], count: int, processes: int, progress: Progress
) -> list[Outcome]:
    """One outcome per task, in their order, whatever the number of processes.

    `count` tasks come one by one, when the files of each are there. Raises DataError if the
    results cannot be written or a process dies; the finished clips stay.
    """
    outcomes = []
    progress(STAGE, 0, count)
    try:
        with closing(_outcomes(tasks, processes)) as converted:
            for outcome in converted:
                outcomes.append(outcome)
                progress(STAGE, len(outcomes), count)
    except BrokenProcessPool as error:
        again = "the finished clips are kept, so start again"
        raise DataError(f"a process died, perhaps because memory ran out; {again}") from error
    return outcomes


@contextmanager
def work_folder(folder: Path, clips: int, size: tuple[int, int]) -> Iterator[Path]:
    """A folder beside `folder` for converted clips, removed only when the block succeeds.

    Raises DataError if the disk is too small for the work and its result, or becomes full.
    """
    work = folder.with_name(f".{folder.name}{WORK_SUFFIX}")
    try:
        work.mkdir(parents=True, exist_ok=True)
        _refuse_small_disk(work, clips * (size[0] * size[1] * 3 + 2 * KEPT_SAMPLES))
        yield work
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"cannot write {work}: {reason}; free some space and start again: "
            "the finished clips are kept"
        ) from error
    shutil.rmtree(work, ignore_errors=True)


def _outcomes(tasks: Iterable[Task], processes: int) -> Generator[Outcome, None, None]:
    if processes == 1:
        yield from map(convert, tasks)
        return
    # Not forked: the calling program may run threads, which a fork leaves in an unknown state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context)
    running: deque[Future[Outcome]] = deque()
    try:
        for task in tasks:
            running.append(pool.submit(convert, task))
            while running and running[0].done():
                yield running.popleft().result()
        for future in running:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _refuse_small_disk(work: Path, result_bytes: int) -> None:
    done = sum(path.stat().st_size for path in work.iterdir())
    needed = 2 * result_bytes - done  # the converted clips, and the arrays made from them
    free = shutil.disk_usage(work).free
    if needed > free:
        found = f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        raise DataError(f"the disk of {work} is too small: {found}")


NAME = np.dtype("S20")
PIXEL, SAMPLE = np.dtype(np.uint8), np.dtype(np.int16)


def result_arrays(
    parts: Mapping[str, Sequence[str]], work: Path, size: tuple[int, int]
) -> dict[str, np.ndarray | Streamed]:
    """The N clips of both published lists, in their order.

    frames (N, rows, columns, 3) uint8; samples (N, S) int16, zeros behind lengths (N,) int32;
    clips (N,) bytes; labels (N,) uint8; is_test (N,) uint8.
    """
    clips = [clip for part in PARTS for clip in parts[part]]
    lengths = np.zeros(len(clips), np.int32)
    frames = (result["frame"][None] for result in _results(clips, work))
    samples = _padded(_results(clips, work), lengths)
    return {
        "frames": Streamed((len(clips), *size, 3), PIXEL, frames),
        "samples": Streamed((len(clips), KEPT_SAMPLES), SAMPLE, samples),
        "lengths": lengths,  # filled while the samples are written
        "clips": np.array(clips, NAME),
        "labels": np.array([label_of(clip) for clip in clips], np.uint8),
        "is_test": np.repeat(np.arange(2, dtype=np.uint8), [len(parts[part]) for part in PARTS]),
    }


def _results(clips: Sequence[str], work: Path) -> Iterator[dict[str, np.ndarray]]:
    for clip in clips:
        yield read_result(work / f"{clip}.npz")


def _padded(results: Iterator[dict[str, np.ndarray]], lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Rows (1, S) of zero-padded samples; enters the lengths as it goes."""
    for row, result in enumerate(results):
        lengths[row] = len(result["samples"])
        yield np.pad(result["samples"], (0, KEPT_SAMPLES - lengths[row]))[None]
