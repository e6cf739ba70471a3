"""Ten minutes on a rented GPU: checks, measurements, then whole runs that fit, all in one archive.

    python3 -m tests.gpu.ten_minutes --out "$OUT"

README.md in this folder says what to carry there and how to take the records in.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cli.session import Session, open_session
from benchmarks.cli.verbs import parse
from benchmarks.plan import costs, measurements, workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import make_experiment
from benchmarks.records.status import pending

ROOT = Path(__file__).parents[2]
DATASET = "avmnist"
SUITE = [sys.executable, "-m", "benchmarks"]
START_SECONDS = 20  # of a run's process: importing torch, loading the data, the first step
SPARE = 1.15  # of the expected time must be left for a run to begin
ARCHIVE_SECONDS = 15
STOP_SECONDS = 10  # that a run may take to save its state when it is stopped


@dataclass(frozen=True)
class Part:
    """A command before the runs; it is ended after `seconds`."""

    name: str
    seconds: int
    words: Sequence[str]


@dataclass(frozen=True)
class Row:
    """A row of a table to train: a method, or Joint-Train on one `modality` alone."""

    fusion: str
    method: str
    modality: str = ""

    @property
    def words(self) -> list[str]:
        named = ["--dataset", DATASET, "--fusion", self.fusion, "--method", self.method]
        return [*named, "--modalities", self.modality] if self.modality else named

    def __str__(self) -> str:
        return f"{self.fusion}_{self.modality or self.method}"


# By what they are worth: the paper's claim first, then the rest of the column.
ROWS = [
    *(Row(fusion, m) for fusion in ("late", "early") for m in ("joint_train", "msam", "sam")),
    *(Row("late", "joint_train", m) for m in ("visual", "audio")),
    *(Row("late", m) for m in ("ogm_ge", "agm", "mmpareto", "cggm", "reconboost", "mses", "mslr")),
    *(Row("early", m) for m in ("agm", "mmpareto", "cggm", "reconboost")),
]


def parts(device: str) -> dict[str, Part]:
    """What can be done before the runs, by name."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    pytest += ["-n", "8"] if find_spec("xdist") else []
    bench = [*SUITE, "bench", "--rounds", "3", "--device", device, "--parts"]
    found = [
        Part("doctor", 30, [*SUITE, "doctor"]),
        Part("sync_tests", 70, [*pytest, "-m", "gpu", "tests/baselines"]),
        Part("graph_tests", 70, [*pytest, "-m", "gpu", "tests/benchmarks/training"]),
        Part("steps", 60, [*bench, "steps"]),
        *(Part(n, 45, [*bench, n]) for n in ("capture", "precision", "determinism", "bare")),
        Part("packing", 240, [*bench, "packing"]),
        Part("memory", 120, [*bench, "memory"]),
    ]
    return {part.name: part for part in found}


VISITS = {
    "first": (
        *("doctor", "sync_tests", "graph_tests", "steps"),
        *("capture", "precision", "determinism", "bare"),
    ),
    "second": ("packing", "memory"),
}


@dataclass
class Visit:
    """The time that is left, and where the words of every command go."""

    seconds: float
    out: Path

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        self.out.mkdir(parents=True, exist_ok=True)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.started)

    def say(self, text: str) -> None:
        sys.stdout.write(f"{self.seconds - self.left:5.0f} s  {text}\n")
        sys.stdout.flush()

    def call(self, name: str, words: Sequence[str], limit: float) -> int:
        """The exit status of a command; 124 if it had to be stopped after `limit` seconds.

        It is asked to stop first, so that a run can save its state.
        """
        began, log = time.monotonic(), self.out / f"{name}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                words, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait(max(1, limit))
            except subprocess.TimeoutExpired:
                status = 124
                self._stop(process)
        last = (log.read_text(errors="replace").strip().splitlines() or [""])[-1]
        took = time.monotonic() - began
        self.say(f"{name}: exit status {status} after {took:.0f} s: {last[:100]}")
        return status

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, number)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    continue


def main(words: Sequence[str]) -> int:
    """Exit status 0 if every part and every run that was begun ended well, else 1."""
    arguments = _arguments(words)
    visit = Visit(arguments.minutes * 60, arguments.out.absolute())
    known = parts(arguments.device)
    chosen = [known[name] for name in arguments.parts or VISITS[arguments.visit]]
    limits = ", ".join(f"{part.name} {part.seconds} s" for part in chosen)
    visit.say(f"at most: {limits}; then runs until {arguments.minutes:g} minutes are over")
    statuses = {
        part.name: visit.call(part.name, part.words, _limit(part, visit)) for part in chosen
    }
    session = open_session(parse(["table1", "--profile", arguments.profile]), visit.say)
    if arguments.visit == "first":
        capture = "auto" if statuses.get("graph_tests") == 0 else "off"
        how = ["--device", arguments.device, "--capture", capture]
        statuses |= train(visit, session, arguments.seeds, how)
    pack_up(visit.out / "records.tgz", session.folders.root)
    visit.say("the archive is written")
    return int(any(statuses.values()))


def _limit(part: Part, visit: Visit) -> float:
    return min(part.seconds, visit.left - ARCHIVE_SECONDS)


def train(visit: Visit, session: Session, seeds: int, how: Sequence[str]) -> dict[str, int]:
    """Trains the runs that fit, most valuable first; their exit statuses by name.

    A run is begun only if its expected time is left: that which `bench` measured here, times how
    much longer or shorter the runs before took than expected.
    """
    session.prepare_stand_in([DATASET])
    statuses, pace = {}, 1.0
    for name, row, experiment in _runs(session, seeds):
        [estimate] = costs.estimates([experiment], measurements.load_figures())
        if estimate.seconds is None:
            visit.say(f"{name}: not begun, as its time is unknown: {estimate.lacking}")
            continue
        expected = START_SECONDS + pace * estimate.seconds
        if visit.left - ARCHIVE_SECONDS < SPARE * expected:
            visit.say(f"{name}: not begun, as it takes about {expected:.0f} s")
            continue
        words = [*SUITE, "run", "--profile", session.profile_name, *row.words, *how]
        words += ["--seed", str(experiment.seed)]
        before = visit.left
        statuses[name] = visit.call(name, words, before - ARCHIVE_SECONDS - 2 * STOP_SECONDS)
        if statuses[name] == 0:
            pace = max(before - visit.left - START_SECONDS, 1) / estimate.seconds
    return statuses


def _runs(session: Session, seeds: int) -> Iterator[tuple[str, Row, Experiment]]:
    """Every run that is not done yet, one seed after the other."""
    for seed in range(seeds):
        for row in ROWS:
            draft = make_experiment(
                session.config,
                session.profile,
                dataset=DATASET,
                fusion=row.fusion,
                method=row.method,
                modalities=[row.modality] if row.modality else [],
                seed=seed,
            )
            experiment = workspace.with_fingerprint(draft)
            if pending([experiment], session.folders):
                yield f"run_{row}_{seed}", row, experiment


def pack_up(archive: Path, results: Path) -> None:
    """Packs records, predictions, failures, states of stopped runs, and what bench measured."""
    with tarfile.open(archive, "w:gz") as tar:
        for kind in ("runs", "predictions", "logits", "failures", "checkpoints"):
            if (results / kind).exists():
                tar.add(results / kind, f"{results.name}/{kind}")
        if measurements.OWN.exists():
            tar.add(measurements.OWN, "bench")


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.gpu.ten_minutes")
    parser.add_argument("--out", type=Path, required=True, help="folder for logs and the archive")
    parser.add_argument("--visit", choices=VISITS, default="first", help="default: first")
    parser.add_argument("--minutes", type=float, default=9.5, help="in all (default: 9.5)")
    parser.add_argument("--profile", default="short", help="of the runs (default: short)")
    parser.add_argument("--seeds", type=int, default=1, help="of the runs, from 0 (default: 1)")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    about = "instead of those of the visit"
    parser.add_argument("--parts", nargs="+", choices=parts("cuda"), metavar="NAME", help=about)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
