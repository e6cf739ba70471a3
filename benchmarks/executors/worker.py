"""A process that works on a plan beside others: reads it as JSON from standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.execution import Execution
from benchmarks.executors.local import LocalExecutor
from benchmarks.experiment import Experiment
from benchmarks.folders import Folders
from benchmarks.progress import lines_only, pick_device
from benchmarks.signals import EXIT_ERROR, Stop


def work(plan: Mapping[str, Any]) -> None:
    """Runs what of the plan no other process does; `plan` is what `pool.Pool` wrote."""
    stop = Stop(plan["deadline"], plan["parent"])
    execution = Execution(**plan["execution"])
    folders = Folders(Path(plan["root"]))
    experiments = [Experiment.from_dict(values) for values in plan["experiments"]]
    with stop.listening():
        place = folders, pick_device(execution.device), lines_only(_say)
        executor = LocalExecutor(*place, stop, plan["alone"], execution)
        executor.execute(experiments, plan["before"])


def _say(text: str) -> None:
    """A line for the parent process; none if that is gone."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return


if __name__ == "__main__":
    try:
        work(json.load(sys.stdin))
    except (ValueError, OSError) as error:
        _say(f"error: {error}")
        sys.exit(EXIT_ERROR)
