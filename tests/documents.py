"""Follows a document as its reader does: its code blocks and commands, in a copy of the suite."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.syntax import PACKAGES, ROOT


def blocks(document: Path, language: str = "") -> list[str]:
    """The code blocks of a language, in order; without one, those that hold commands."""
    text = document.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def commands(block: str) -> list[list[str]]:
    """The words after `./reproduce.sh` of every line."""
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert all(line[0] == "./reproduce.sh" for line in lines)
    return [line[1:] for line in lines]


def copy_of_suite(place: Path) -> Path:
    """What is needed to train and to test, without data and results."""
    for folder in (*PACKAGES, "tests", "docs", "results/printed"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, place / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def follow(place: Path, several: Sequence[Sequence[str]]) -> list[str]:
    """What each command prints in the copy; fails if one does not end with exit status 0.

    One process runs them all, as torch takes seconds to import.
    """
    mark = "=== next command ==="
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"for words in {list(map(list, several))!r}:\n"
        f"    print({mark!r}, flush=True)\n"
        "    if status := main(words): sys.exit(f'{words} ended with {status}')\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MSAM_")}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(place)}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{mark}\n")[1:]
