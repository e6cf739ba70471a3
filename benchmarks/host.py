"""What the host around a process may lack or get wrong, so that nothing of it ends a run.

The environment is put right before anything slow is imported; paths may begin with ~; git is asked
once and may be missing, slow, or speak of another repository.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]


def set_up_environment() -> None:
    """Sets what libraries read from the environment when they are imported.

    Notebooks export a drawing backend that only they have. A container may run under a user id
    without a name or a home folder that can be written, which several libraries ask for.
    """
    os.environ["MPLBACKEND"] = "agg"
    if not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        os.environ["USER"] = _user_name()
    if not _has_home():
        folder = _own_temporary_folder()
        for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR"):
            os.environ.setdefault(name, folder)


def user_path(text: str) -> Path:
    """A path that a person typed or that a variable holds: a leading ~ is the home folder.

    A shell expands it only where a word begins. Raises ValueError for an unknown user's.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{text}: no home folder is known for it; name the folder itself"
        ) from error


def path_in(variable: str) -> Path | None:
    """The path in an environment variable; None if it is unset or empty.

    Files with variables may end in CR LF, which does not belong to the path.
    """
    text = os.environ.get(variable, "").strip()
    return user_path(text) if text else None


class Ended(KeyboardInterrupt):
    """The system asked the process to end. Handled as an interrupt: what is unfinished goes."""


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise Ended, so that temporary files are removed.

    A second signal is ignored meanwhile: `timeout` and batch systems send several. Signals that
    the caller ignores or handles stay as they are.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(signal.Signals(number).name)

    ours = []
    if threading.current_thread() is threading.main_thread():
        both = (signal.SIGTERM, signal.SIGHUP)
        ours = [number for number in both if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@cache
def commit(seconds: float = 20) -> dict[str, Any]:
    """The commit of this checkout, and whether tracked files differ from it.

    Otherwise that of the variable MSAM_COMMIT, or `unknown`, and None: without git, without an
    answer within `seconds` (git takes long on a cold network disk, and for ever on a hung one), and
    where the repository is not this checkout but one around it. Asked once: call it before a run
    for the commit of its start.
    """
    with suppress(OSError, ValueError):
        top, revision = _git(seconds / 2, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).samefile(ROOT):
            changed = _git(seconds / 2, "status", "--porcelain", "--untracked-files=no")
            return {"commit": revision, "modified": bool(changed)}
    return {"commit": os.environ.get("MSAM_COMMIT") or "unknown", "modified": None}


def _git(seconds: float, *words: str) -> str:
    """What git answers in this checkout; raises OSError or ValueError if it does not."""
    # Hooks set variables that name another repository. The owner of a mounted checkout may be
    # another user, and a monitor of files could hang.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = ("-c", f"safe.directory={ROOT}", "-c", "core.fsmonitor=false")
    process = subprocess.Popen(
        ["git", "--no-optional-locks", *settings, *words],
        cwd=ROOT,
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
    )
    try:
        text, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        process.kill()  # not waited for: on a hung disk it would not end
        if process.stdout:
            process.stdout.close()
        raise ValueError("git does not answer") from error
    if process.returncode:
        raise ValueError(f"git ends with {process.returncode}")
    return text.strip()


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user{os.getuid()}"


def _has_home() -> bool:
    """Whether there is a home folder to keep caches in."""
    home = os.environ.get("HOME") or os.path.expanduser("~")
    return home != "~" and os.access(home, os.W_OK | os.X_OK)


def _own_temporary_folder() -> str:
    """A folder for caches in place of a home folder, of this user alone."""
    folder = Path(tempfile.gettempdir()) / f"msam-bench-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():  # made by somebody else
        return tempfile.mkdtemp(prefix="msam-bench-")
    return str(folder)
