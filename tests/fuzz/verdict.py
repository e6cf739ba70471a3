"""What a reader may do with any file: give a value, or one error that says which file is wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HANG_SECONDS = 20
# Subclasses of ValueError that say what a library stumbled over, not which file is wrong.
_RAW = (UnicodeError,)


@dataclass(frozen=True)
class Target:
    """A reader and a good file for it, `content`, called `file`.

    `read` takes the file's path. A target with `tree` is damaged inside: `pack` makes a file,
    with right checksums, of damaged values or bytes. An error must contain `named`, by default the
    file's name.
    """

    name: str
    file: str
    content: bytes
    read: Callable[[Path], object]
    tree: object = None
    pack: Callable[[object], bytes] | None = None
    named: str = ""


class Hang(BaseException):
    """No reader took so long on an intact file."""


def complaint(target: Target, content: bytes, folder: Path) -> str:
    """What is wrong with how `target` takes `content`; empty if nothing is."""
    path = folder / target.file
    path.write_bytes(content)
    try:
        with _limited():
            target.read(path)
    except (ValueError, OSError) as error:
        text = str(error)
        if isinstance(error, _RAW) or (target.named or path.name) not in text:
            return f"{type(error).__name__} does not say which file: {text[:200]}"
    except (Exception, Hang) as error:  # noqa: BLE001  the point is to see them all
        return f"{type(error).__name__}: {str(error)[:200]}"
    return ""


@contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"over {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
