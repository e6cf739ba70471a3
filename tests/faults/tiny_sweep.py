"""A sweep of many tiny runs as a process of its own: `python -m tests.faults.tiny_sweep`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.cli.execute import Command, execute
from benchmarks.cli.session import Session
from benchmarks.configs.load import load_config
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.workspace import prepared_folder
from benchmarks.records.folders import Folders
from benchmarks.records.status import pending, set_damaged_aside
from benchmarks.training.context import RunSettings
from datasets import registry
from msam.optim import OptimConfig

METHODS = ("joint_train", "sam", "ogm_ge", "agm")
OPTIONS = {"pairing": "aligned", "components": 4}


def tiny_experiments(count: int, epochs: int = 2) -> list[Experiment]:
    """`count` runs of two batches an epoch, on the stand-in data of MSAM_DATA_DIR."""
    folder = prepared_folder("avmnist", stand_in=True)
    fingerprint = registry.fingerprint("avmnist", folder, OPTIONS)
    return [
        Experiment(
            "avmnist",
            "late",
            METHODS[number % len(METHODS)],
            number // len(METHODS),
            epochs,
            16,
            "small_cnn",
            OptimConfig(lr=0.02),
            data={**OPTIONS, "stand_in": True, "fingerprint": fingerprint},
            train_samples=32,
        )
        for number in range(count)
    ]


def tiny_session(folders: Folders, say: Callable[[str], None]) -> Session:
    """The session of a command line call on these folders."""
    return Session(load_config(), "demo", folders, say, out=folders.root)


def main(words: Sequence[str]) -> int:
    """Runs what is pending of the sweep, as the command line's tables do."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args(words)
    folders = Folders(arguments.folder)
    session = tiny_session(folders, _say)
    planned = tiny_experiments(arguments.runs, arguments.epochs)
    set_damaged_aside(planned, folders, _say)
    left = pending(planned, folders)
    command = Command(session, RunSettings("cpu", arguments.jobs), verbose=True)
    return execute(command, left) if left else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
