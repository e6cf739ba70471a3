"""Verbs that read, and every --dry-run, leave a checkout as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli.options import DRY_RUN
from benchmarks.cli.verbs import verbs
from benchmarks.exit_status import Exit
from tests.syntax import ROOT

READING = [
    "compare --profile pilot",
    "compare --profile paper",
    "compare --profile quick --datasets avmnist",
    "compare",
    "list",
    "status",
    "status --profile pilot",
    "data status",
    "data sources",
    "data audit avmnist",
    "doctor",
]
WORDS = {
    "run": "--dataset avmnist --method sam --profile demo",  # real data is not there to plan on
    "merge": "results/pilot --profile paper",
}
PLANNING = [
    f"{name} {WORDS.get(name, '')} {profile} --dry-run"
    for name, verb in verbs().items()
    if DRY_RUN in verb.options
    for profile in ("", "--profile demo", "--profile pilot")
    if not (profile and "--profile" in WORDS.get(name, ""))
]
CACHES = ("__pycache__/",)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A git checkout of the files as they are now, without data."""
    place = tmp_path_factory.mktemp("checkout")
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/golden/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=place, check=True)
    return place


def changes(place: Path) -> list[str]:
    """What git says about files that changed, are new, or are new and ignored; and new folders."""
    words = ["git", "status", "--porcelain", "--ignored"]
    told = subprocess.run(words, cwd=place, capture_output=True, check=True, text=True).stdout
    empty = [str(path) for path in (place / "results").rglob("*") if not list_of(path)]
    return [line for line in told.splitlines() if not line.endswith(CACHES)] + empty


def list_of(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else [path]


def call(place: Path, words: str) -> None:
    """Runs a command in the checkout; it must not fail."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MSAM_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks", *words.split()],
        cwd=place,
        env={**environment, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (Exit.FINE, Exit.DIFFERS, Exit.UNDECIDED), done.stderr
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("words", [*READING, *PLANNING])
def test_reading_and_planning_write_nothing(checkout: Path, words: str) -> None:
    call(checkout, words)
    assert not changes(checkout)
