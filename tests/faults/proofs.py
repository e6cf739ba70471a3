"""Proofs too heavy for every run of the suite: `python -m tests.faults.proofs kills|beside|many`.

They need the stand-in AV-MNIST in MSAM_DATA_DIR and say what they measured.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cli.session import open_session
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord

ROOT = Path(__file__).parents[2]


def sweep(folder: Path, *words: object) -> subprocess.Popen[str]:
    """Starts a tiny sweep on `folder`; what it says goes to a file beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log").open("a")
    call = [sys.executable, "-m", "tests.faults.tiny_sweep", str(folder), *map(str, words)]
    return subprocess.Popen(call, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True)


def results(folder: Path) -> dict[str, tuple[dict, bytes]]:
    """Every record without timing and environment, and the bytes of its predictions."""
    found = {}
    for path in sorted((folder / "runs").glob("*.json")):
        record = vars(RunRecord.load(path)) | {"timing": {}, "environment": {}}
        found[path.stem] = record, (folder / "predictions" / f"{path.stem}.npz").read_bytes()
    return found


def leftovers(folder: Path) -> list[str]:
    """Files that a finished sweep must not leave behind."""
    places = ("leases/*", "checkpoints/*", "*/.*.tmp", "*/*.damaged*")
    return sorted(path.name for place in places for path in folder.glob(place))


def processes(parent: int) -> list[int]:
    """The parent and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [parent, *map(int, children.read_text().split())] if children.exists() else []


def kills(place: Path, runs: int, count: int) -> None:
    """Kills the sweep or one of its processes `count` times; every record must be as alone."""
    rng = random.Random(0)
    alone, killed = place / "alone", place / "killed"
    assert sweep(alone, "--runs", runs, "--jobs", 2).wait() == 0
    hit, started = Counter(), time.monotonic()
    process, starts = sweep(killed, "--runs", runs, "--jobs", 2), 1
    while sum(hit.values()) < count:
        time.sleep(rng.uniform(0.5, 5))
        if process.poll() is not None:
            assert process.returncode != 0, f"ended after {sum(hit.values())} kills"
            process, starts = sweep(killed, "--runs", runs, "--jobs", 2), starts + 1
            continue
        if victims := processes(process.pid):
            victim = rng.choice(victims)
            hit["sweep" if victim == process.pid else "worker"] += 1
            subprocess.run(["kill", "-9", str(victim)], check=False)
    while (status := process.wait()) != 0:
        assert status in (75, -signal.SIGKILL), status
        process, starts = sweep(killed, "--runs", runs, "--jobs", 2), starts + 1
    expected, found = results(alone), results(killed)
    assert len(found) == runs and found == expected
    assert not leftovers(killed), leftovers(killed)
    seconds = round(time.monotonic() - started)
    say(f"{runs} runs, {dict(hit)} killed, started {starts} times, {seconds} s: all records equal")


def beside(place: Path, runs: int) -> None:
    """Two sweeps on one folder: no run is started twice, none is missing."""
    both = [sweep(place / "both", "--runs", runs) for _ in range(2)]
    statuses = [process.wait() for process in both]
    assert set(statuses) <= {0, 75}, statuses
    assert 0 in statuses or sweep(place / "both", "--runs", runs).wait() == 0
    log = (place / "both.log").read_text().splitlines()
    starts = Counter(line.split()[-1] for line in log if line.startswith("run "))
    assert len(starts) == len(results(place / "both")) == runs
    assert set(starts.values()) == {1}, starts.most_common(3)
    assert not leftovers(place / "both")
    say(f"{runs} runs, two sweeps beside each other: each run started once; exits {statuses}")


def many(place: Path, runs: int) -> None:
    """Planning `runs` runs, of which half are done, and their status, by the command line."""
    arguments = argparse.Namespace(profile="demo", protocol=None, out=place, selection="val-best")
    session = open_session(arguments, say)
    cells = [cell for cell in session.cells("table1") if cell.dataset == "avmnist"]
    planned = [e for cell in cells for e in cell.experiments(-(-runs // len(cells)))]
    metrics = {f"{kind}_{m}": 0.5 for kind in ("acc", "loss") for m in ("mm", "audio", "visual")}
    epoch = {"lr": 0.1, "train": metrics, "val": metrics, "test": metrics}
    history = tuple({"epoch": number + 1, **epoch} for number in range(100))
    folders = Folders(place)
    for experiment in planned[::2]:
        data = {key: experiment.data[key] for key in ("stand_in", "fingerprint")}
        record = RunRecord(experiment.run_id, experiment, "done", history=history, data=data)
        replace(record, code={"shared": "old"}).save(folders.record(experiment.run_id))
    common = ["--profile", "demo", "--out", str(place)]
    seeds = str(-(-runs // len(cells)))
    timed("table1", *common, "--datasets", "avmnist", "--dry-run", "--seeds", seeds)
    timed("status", *common)


def timed(*words: str) -> None:
    """What a call of the command line costs."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    facts = {"verb": words[0], "says": done.stdout.splitlines()[0], "seconds": round(seconds, 1)}
    say(json.dumps({**facts, "cpu_seconds": round(cpu, 1), "peak_mb": used.ru_maxrss // 1024}))


def say(text: str) -> None:
    """One line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> None:
    """Runs the named proofs in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for word in words:
            {
                "kills": lambda: kills(place / "kills", 200, 30),
                "beside": lambda: beside(place / "beside", 100),
                "many": lambda: many(place / "many", 10_000),
            }[word]()


if __name__ == "__main__":
    main(sys.argv[1:])
