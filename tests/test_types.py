"""mypy finds nothing: strict on the library, plain on the rest, as pyproject.toml says."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.syntax import PACKAGES

ROOT = Path(__file__).parents[1]


def test_the_types_of_every_package_agree() -> None:
    """Half a minute without a cache, two seconds with one."""
    words = [sys.executable, "-m", "mypy", "--no-error-summary"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_package_is_left_out() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert sorted(settings["files"]) == sorted(PACKAGES)
    assert not any("ignore_errors" in each for each in (settings, *settings["overrides"]))
