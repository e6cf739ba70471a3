"""reproduce.sh: respects VENV, notices changed requirements, hands its words on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the script with a virtual environment whose python only notes its arguments."""
    shutil.copy(ROOT / "reproduce.sh", tmp_path)
    (tmp_path / "requirements.txt").write_text("numpy\n")
    python = tmp_path / "my venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\n')
    python.chmod(0o755)
    return tmp_path


def call(checkout, *words):
    """What the environment's python was called with."""
    (checkout / "calls.txt").unlink(missing_ok=True)
    environment = os.environ | {"VENV": "my venv", "PYTHON": sys.executable}
    subprocess.run(["bash", "reproduce.sh", *words], cwd=checkout, env=environment, check=True)
    return (checkout / "calls.txt").read_text().splitlines()


def test_requirements_are_installed_once_and_again_when_they_change(checkout):
    assert any("pip install" in line for line in call(checkout, "list"))
    assert call(checkout, "list") == ["-P -m benchmarks list"]
    (checkout / "requirements.txt").write_text("numpy\nscipy\n")
    assert any("pip install" in line for line in call(checkout, "list"))


def test_paths_are_those_of_the_caller(checkout):
    elsewhere = checkout / "elsewhere"
    elsewhere.mkdir()
    environment = os.environ | {"VENV": str(checkout / "my venv"), "PYTHON": sys.executable}
    words = ["bash", "../reproduce.sh", "run", "--out", "here"]
    subprocess.run(words, cwd=elsewhere, env=environment, check=True)
    assert "-P -m benchmarks run --out here" in (elsewhere / "calls.txt").read_text()


def test_a_mistyped_virtual_environment_is_refused(checkout):
    environment = os.environ | {"VENV": "not there"}
    words = ["bash", "reproduce.sh", "list"]
    done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "VENV is not there" in done.stderr
    assert not (checkout / "not there").exists()


def test_a_failed_install_is_tried_again(checkout):
    python = checkout / "my venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        call(checkout, "list")
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\n')
    assert any("pip install" in line for line in call(checkout, "list"))


def test_the_verb_test_runs_pytest_and_others_the_command_line(checkout):
    call(checkout)
    assert call(checkout, "test", "-q") == ["-m pytest --numprocesses auto -q"]
    assert call(checkout) == ["-P -m benchmarks"]
    assert call(checkout, "run", "--seed", "1") == ["-P -m benchmarks run --seed 1"]


def test_packages_in_the_callers_folder_do_not_replace_ours(tmp_path):
    """`reproduce.sh` starts Python with -P, and so do the processes that it starts."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    (tmp_path / "yaml.py").write_text("")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-P", "-m", "benchmarks", "list"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    starts = re.compile(r'sys\.executable, "-m", "benchmarks|quote\(sys\.executable\)\}(?! -P)')
    for path in (ROOT / "benchmarks").rglob("*.py"):
        assert not starts.search(path.read_text(encoding="utf-8")), path
