"""Downloads the raw files of AV-MNIST that are not there yet."""

from __future__ import annotations

from pathlib import Path

from datasets.fetch import fetch
from datasets.loader import Progress
from datasets.recordings import read_recordings
from datasets.release import PUBLISHED
from datasets.sources import FSDD, sources_of


def download(folder: Path, progress: Progress) -> Path:
    """Brings every raw file into `folder` and returns it; raises DataError if one fails."""
    for source in sources_of("avmnist"):
        check = _check_fsdd if source == FSDD else None
        fetch(source, folder, check=check, progress=progress)
    return folder


def _check_fsdd(path: Path) -> None:
    PUBLISHED.check_recordings(read_recordings(path, PUBLISHED.wants), str(path))
