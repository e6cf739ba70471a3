"""Runs experiments side by side: processes that share the work as separate sweeps would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.executors.jobs import thread_count
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.progress import lines_only, pick_device
from benchmarks.executors.stop import EXIT_ERROR, Stop
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.workspace import ROOT
from benchmarks.records import status as sweep
from benchmarks.records.folders import Folders
from benchmarks.training.execution import Execution

_LOOK_SECONDS = 0.2
_PATIENCE = 3  # processes per job that may die one after the other with no run ended


class _Worker(NamedTuple):
    process: subprocess.Popen[str]
    attendant: threading.Thread


@dataclass(frozen=True)
class Pool:
    """`execution.jobs` processes on one device. One that dies is replaced, and its run goes on."""

    folders: Folders
    say: Callable[[str], None]
    stop: Stop
    execution: Execution

    def execute(self, experiments: Sequence[Experiment], before: Mapping[str, str]) -> None:
        """Runs what is not ended since `before`: first side by side, then what is left alone.

        Left over are runs that ran out of memory beside others or killed their process twice.
        """
        for crew in (self.execution.jobs, 1):
            left = sweep.untouched(experiments, self.folders, before)
            if left and not self.stop.wanted():
                self._work(left, before, crew)

    def _work(
        self, experiments: Sequence[Experiment], before: Mapping[str, str], crew: int
    ) -> None:
        plan = self._plan(experiments, before, crew)
        workers = [self._start(plan) for _ in range(min(crew, len(experiments)))]
        patience, left, told = _PATIENCE * crew, len(experiments), False
        while workers:
            time.sleep(_LOOK_SECONDS)
            if self.stop.wanted() and not told:
                told = True
                for worker in workers:
                    worker.process.send_signal(signal.SIGTERM)
            gone = [worker for worker in workers if worker.process.poll() is not None]
            workers = [worker for worker in workers if worker not in gone]
            for _ in range(sum(map(self._died, gone))):
                now = len(sweep.untouched(experiments, self.folders, before))
                patience = _PATIENCE * crew if now < left else patience - 1
                left = now
                if left and patience > 0 and not told:
                    workers.append(self._start(plan))

    def _plan(self, experiments: Sequence[Experiment], before: Mapping[str, str], crew: int) -> str:
        """What a worker must know, as `worker.work` reads it."""
        plan = {
            "root": str(self.folders.root.absolute()),
            "execution": asdict(self.execution),
            "deadline": self.stop.deadline,
            "parent": os.getpid(),
            "alone": crew == 1,
            "experiments": [e.to_dict() for e in experiments],
            "before": {e.run_id: before[e.run_id] for e in experiments},
        }
        return json.dumps(plan)

    def _start(self, plan: str) -> _Worker:
        threads = {"OMP_NUM_THREADS": str(thread_count(self.execution.jobs))}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.executors.pool"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**threads, **os.environ, "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C reaches this process alone, which passes it on
        )
        attendant = threading.Thread(target=self._attend, args=(process, plan), daemon=True)
        attendant.start()
        return _Worker(process, attendant)

    def _attend(self, process: subprocess.Popen[str], plan: str) -> None:
        """Hands the plan over and repeats what the worker says."""
        try:
            process.stdin.write(plan)
            process.stdin.close()
        except BrokenPipeError:  # it died before it had read
            return
        for line in process.stdout:
            self.say(line.rstrip("\n"))

    def _died(self, worker: _Worker) -> bool:
        """Whether the worker did not come to its own end; says so."""
        worker.attendant.join()
        status = worker.process.returncode
        if status == EXIT_ERROR:
            self.stop.reason = self.stop.reason or "an error that every run would meet"
        if status == 0 or self.stop.reason:
            return False
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        self.say(f"process {worker.process.pid} died ({how}); its run goes on in another")
        return True


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
