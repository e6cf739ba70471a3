"""Files on Google Drive, through gdown, which confirms, resumes and sends a user's cookies.

It is an optional extra. A plain download saves Google's page about viruses as if it were the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import requests

from datasets.errors import DataError
from datasets.raw.fetch import sent_instead
from datasets.spec import DRIVE, RawSource


def fetch_from_drive(source: RawSource, folder: Path) -> Path:
    """The file in `folder`, downloaded unless it is there already.

    Raises DataError, with the steps by hand, if gdown is missing or Google refuses the file.
    """
    target = folder / source.file
    url = next(url for url in source.urls if url.startswith(DRIVE))
    by_hand = (
        f"By hand: open {url} in a browser where you are logged in to Google, download "
        f"{source.file}, put it into {folder} and type the same command again"
    )
    if target.exists() and sent_instead(target) is None:
        return target
    try:
        import gdown
    except ImportError as error:
        raise DataError(
            f"{source.file} lies on Google Drive, and gdown, which fetches from there, is not "
            f"installed: type pip install -r requirements-extra.txt. {by_hand}"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        identity = _identity(gdown, url, source.file)
        gdown.download(id=identity, output=str(target), resume=True, quiet=not sys.stderr.isatty())
    except (gdown.exceptions.DownloadError, requests.RequestException) as error:
        raise DataError(
            f"Google Drive does not give {source.file} ({_one_line(error)}). Often its quota for "
            "this file is used up, for a day or so; a copy in your own Drive has a quota of its "
            f"own. {by_hand}"
        ) from error
    except OSError as error:
        raise DataError(
            f"cannot write {target}: {error.strerror or error}; free some space and start again"
        ) from error
    problem = sent_instead(target)
    if problem is not None:
        target.unlink()
        raise DataError(f"{source.file}: {problem}. {by_hand}")
    return target


def _identity(gdown, url: str, file: str) -> str:
    """Drive's name of a file, by the address of the file or of the folder that holds it."""
    last = url.rstrip("/").rpartition("/")[2]
    if "/folders/" not in url:
        return last
    listed = gdown.download_folder(id=last, skip_download=True, quiet=True)
    found = [each.id for each in listed if Path(each.path).name == file]
    if not found:
        names = ", ".join(Path(each.path).name for each in listed)
        raise DataError(f"{url} holds no {file}; it holds: {names or 'nothing'}")
    return found[0]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
