"""What a host lacks, hides or gets wrong ends no run and enters no record."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import host
from benchmarks.cli.verbs import parse
from benchmarks.executors.devices import job_count
from benchmarks.plan import workspace
from datasets.store import system
from datasets.store.arrays import write_store
from tests.datasets.store.test_prepared_folder import ABOUT, ARRAYS

ROOT = Path(__file__).parents[2]
GIT = ("git", "-c", "user.name=u", "-c", "user.email=u@x")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh process that has nothing in its environment but what is given."""
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    words = [sys.executable, "-P", "-c", code]
    return subprocess.run(words, env=kept, capture_output=True, text=True, cwd="/")


# Users, backends and caches


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "qtagg", ""])
def test_a_notebooks_drawing_backend_does_not_reach_us(backend: str) -> None:
    code = (
        "from benchmarks.host import set_up_environment; set_up_environment()\n"
        "import matplotlib; print(matplotlib.get_backend())"
    )
    done = python(code, MPLBACKEND=backend, HOME="/tmp")
    assert done.stdout.lower() == "agg\n" and not done.stderr


@pytest.mark.parametrize("home", [{}, {"HOME": "/nowhere"}, {"HOME": "/dev/null"}])
def test_a_user_without_name_and_home_has_both(home: dict[str, str]) -> None:
    """As in a container that runs under any number for a user."""
    code = (
        "import os, pwd\n"
        "def unknown(number): raise KeyError('getpwuid(): uid not found')\n"
        "pwd.getpwuid = unknown\n"
        "from benchmarks.host import set_up_environment; set_up_environment()\n"
        "import getpass, matplotlib; print(getpass.getuser(), matplotlib.get_cachedir())\n"
        "assert os.access(os.environ['XDG_CACHE_HOME'], os.W_OK)\n"
    )
    done = python(code, **home)
    assert done.stdout.startswith(f"user{os.getuid()} /") and not done.stderr


def test_a_known_user_keeps_name_and_caches(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPLBACKEND", "other")
    host.set_up_environment()
    assert os.environ["USER"] == pwd.getpwuid(os.getuid()).pw_name
    assert os.environ["MPLBACKEND"] == "agg" and "XDG_CACHE_HOME" not in os.environ
    monkeypatch.setenv("USER", "someone")
    host.set_up_environment()
    assert os.environ["USER"] == "someone"
    monkeypatch.delenv("USER")


# What only Linux has


@pytest.mark.parametrize("error", [None, OSError(errno.EPERM, "no"), AttributeError("no")])
def test_cores_are_counted_without_affinity(monkeypatch: pytest.MonkeyPatch, error) -> None:
    if error is None:
        monkeypatch.delattr(os, "sched_getaffinity")
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: (_ for _ in ()).throw(error))
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert system.core_count() == 6


def test_jobs_are_counted_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "no such file")

    monkeypatch.setattr(Path, "read_text", none)
    monkeypatch.setattr("benchmarks.executors.devices.core_count", lambda: 4)
    pages = {"SC_PHYS_PAGES": 3 * 2**30 // 4096 * 4, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    assert job_count("auto", "cpu") == 3


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_that_cannot_sync_takes_prepared_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    assert write_store(tmp_path / "x", ARRAYS, **ABOUT).arrays
    assert not list(tmp_path.glob(".*"))


# Git


def repository(folder: Path) -> str:
    """A repository with one commit, whose name is returned."""
    subprocess.run([*GIT, "init", "-q", folder], check=True)
    words = [*GIT, "-C", folder, "commit", "-q", "--allow-empty", "-m", "other"]
    subprocess.run(words, check=True)
    done = subprocess.run(
        [*GIT, "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch):
    """Asks for the commit anew, with another folder as the checkout."""

    def ask(root: Path, seconds: float = 20) -> dict[str, object]:
        monkeypatch.setattr(host, "ROOT", root)
        return host.commit.__wrapped__(seconds)

    return ask


UNKNOWN = {"commit": "unknown", "modified": None}


def test_the_commit_of_the_checkout_itself_is_recorded(tmp_path: Path, asked) -> None:
    commit = repository(tmp_path)
    assert asked(tmp_path) == {"commit": commit, "modified": False}


@pytest.mark.parametrize("below", ["suite", "tools/suite"])
def test_the_commit_of_a_repository_around_it_is_not(tmp_path: Path, asked, below: str) -> None:
    repository(tmp_path)
    (tmp_path / below).mkdir(parents=True)
    assert asked(tmp_path / below) == UNKNOWN


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CEILING"])
def test_variables_of_a_hook_change_nothing(
    tmp_path: Path, asked, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for folder in ("ours", "other"):
        (tmp_path / folder).mkdir()
    ours = repository(tmp_path / "ours")
    repository(tmp_path / "other")
    monkeypatch.setenv(name, str(tmp_path / "other" / ".git"))
    assert asked(tmp_path / "ours") == {"commit": ours, "modified": False}


@pytest.mark.parametrize(
    "script", ["sleep 30", "exit 1", "echo", "echo one\necho two", "printf '\\377'", None]
)
def test_a_git_that_hangs_fails_or_is_missing_is_unknown(
    tmp_path: Path, asked, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    start = time.monotonic()
    assert asked(tmp_path, 1) == UNKNOWN
    assert time.monotonic() - start < 10


# Paths


@pytest.mark.parametrize("text", ["~", "~/x", "~/a b/c", "/x", "x/~"])
def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    expected = Path(f"/home/me{text[1:]}") if text.startswith("~") else Path(text)
    assert host.user_path(text) == expected
    monkeypatch.setenv("MSAM_DATA_DIR", f"{text}\r")
    assert workspace.data_folder() == expected
    assert parse(["all", f"--out={text}"]).out == expected
    assert parse(["data", "prepare", "ave", f"--raw={text}"]).raw == [expected]
    assert parse(["merge", text]).folders == [expected]


def test_the_home_folder_of_nobody_is_one_line() -> None:
    with pytest.raises(ValueError, match="~nobody-here/x: no home"):
        host.user_path("~nobody-here/x")
    with pytest.raises(ValueError, match="~nobody-here/x: no home"):
        parse(["all", "--out", "~nobody-here/x"])
