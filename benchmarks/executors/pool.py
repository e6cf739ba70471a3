"""Runs a sweep side by side: processes that share the runs as separate commands would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from benchmarks.executors.progress import relay
from benchmarks.executors.stop import EXIT_BROKEN_DEVICE, Stop
from benchmarks.exit_status import Exit
from benchmarks.plan.workspace import ROOT
from benchmarks.records.status import Sweep
from benchmarks.training.context import Reporter, RunContext, RunSettings

_POLL_SECONDS = 0.2
_MOST_DEATHS = 3  # processes per job that may die one after the other while no run ends


class _Worker(NamedTuple):
    process: subprocess.Popen[str]
    relay: threading.Thread


@dataclass(frozen=True)
class Pool:
    """`settings.jobs` processes on one device. A process that dies is replaced; its run resumes.

    `say` gets their lines, and `progress` what `Reporter.progress` gets; without it `say` does.
    """

    settings: RunSettings
    stop: Stop
    say: Callable[[str], None]
    progress: Callable[[str, int, str], None] | None = None

    def execute(self, sweep: Sweep) -> None:
        """Trains what is left of the sweep: first side by side, then one run at a time.

        Left for the second part are runs that ran out of memory beside others or killed their
        process twice.
        """
        for jobs in (self.settings.jobs, 1):
            left = sweep.left()
            if left and not self.stop.wanted():
                self._share(Sweep(tuple(left), sweep.folders, sweep.versions), jobs)

    def _share(self, sweep: Sweep, jobs: int) -> None:
        """Starts `jobs` processes on the sweep and waits for them, replacing those that die."""
        order, total = self._order(sweep, jobs), len(sweep.experiments)
        threads = max(e.threads for e in sweep.experiments)
        workers = [self._start(order, threads) for _ in range(min(jobs, total))]
        deaths_left, left, told = _MOST_DEATHS * jobs, total, False
        while workers:
            time.sleep(_POLL_SECONDS)
            if self.stop.wanted() and not told:
                told = True
                for worker in workers:
                    worker.process.send_signal(signal.SIGTERM)
            gone = [worker for worker in workers if worker.process.poll() is not None]
            workers = [worker for worker in workers if worker not in gone]
            for _ in range(sum(map(self._died, gone))):
                now = len(sweep.left())
                deaths_left = _MOST_DEATHS * jobs if now < left else deaths_left - 1
                left = now
                if left and deaths_left > 0 and not told:
                    workers.append(self._start(order, threads))

    def _order(self, sweep: Sweep, jobs: int) -> str:
        """What a process must know, as `local.work` reads it."""
        order = {
            "root": str(sweep.folders.root.absolute()),
            "settings": asdict(self.settings),
            "deadline": self.stop.deadline,
            "parent": os.getpid(),
            "alone": jobs == 1,
            "experiments": [e.to_dict() for e in sweep.experiments],
            "versions": {e.run_id: sweep.versions[e.run_id] for e in sweep.experiments},
        }
        return json.dumps(order)

    def _start(self, order: str, threads: int) -> _Worker:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.executors.local"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C reaches this process alone, which passes it on
        )
        relay = threading.Thread(target=self._relay, args=(process, order), daemon=True)
        relay.start()
        return _Worker(process, relay)

    def _relay(self, process: subprocess.Popen[str], order: str) -> None:
        """Hands the order over and repeats what the process says."""
        assert process.stdin and process.stdout  # both are pipes
        try:
            process.stdin.write(order)
            process.stdin.close()
        except BrokenPipeError:  # it died before it had read
            return
        reporter = Reporter(self.say, progress=self.progress)
        for line in process.stdout:
            relay(line.rstrip("\n"), reporter)

    def _died(self, worker: _Worker) -> bool:
        """Whether the process ended before its work did; says so."""
        worker.relay.join()
        status = worker.process.returncode
        if status == Exit.BAD_INPUT:
            self.stop.reason = self.stop.reason or "an error that every run would meet"
        if status == 0 or self.stop.reason:
            return False
        if status == EXIT_BROKEN_DEVICE:
            self.say(f"the device of process {worker.process.pid} broke; another takes its place")
            return True
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        self.say(f"process {worker.process.pid} died ({how}); its run goes on in another")
        return True


def execute_here(sweep: Sweep, settings: RunSettings, stop: Stop, reporter: Reporter) -> None:
    """Trains a sweep on this machine: in a pool, or in this process if that does one at a time."""
    pool = Pool(settings, stop, reporter.say, reporter.progress)
    if min(settings.jobs, len(sweep.experiments)) > 1:
        pool.execute(sweep)
        return
    # Importing torch takes seconds: a command that only plans or reports does not wait for it.
    from benchmarks.executors.devices import pick_device
    from benchmarks.executors.local import LocalExecutor
    from benchmarks.training.device_errors import DeviceBroken

    device = pick_device(settings.device)
    context = RunContext(sweep.folders, device, reporter, settings)
    try:
        LocalExecutor(context, stop, alone=True).execute(sweep)
    except DeviceBroken as error:
        reporter.say(f"{error}; the other runs go on in another process")
        replace(pool, settings=replace(settings, jobs=1)).execute(sweep)
