"""Downloads one file from mirrors: resumed, verified, and under its final name only when right.

Pooch was considered. It neither resumes a broken download, nor tries several addresses for one
file, nor stops a server that never stops sending.
"""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from datasets.errors import DataError
from datasets.loader import Progress, silent
from datasets.spec import RawSource
from datasets.store.manifest import file_sha256

CHUNK_BYTES = 1 << 18
MAX_BYTES = 1 << 28
"""More than any raw file fetched here: the limit for a server that never stops sending."""
ATTEMPTS = 10
TIMEOUT_S = 30
_TRANSPORT = (ConnectionError, TimeoutError, ssl.SSLError)
_NETWORK = (urllib.error.URLError, http.client.HTTPException, *_TRANSPORT)

Check = Callable[[Path], object]


def fetch(
    source: RawSource, folder: Path, *, check: Check | None = None, progress: Progress = silent
) -> Path:
    """The verified file in `folder`, downloaded unless it is there already.

    Tries each address in turn; a broken connection is resumed. `check` raises DataError for
    content that no checksum pins. Raises DataError with what went wrong at each address.
    """
    target, part = folder / source.file, folder / f"{source.file}.part"
    if target.exists() and problem_with(target, source, check) is None:
        return target
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for url in source.urls:
            failure = _from_mirror(url, part, source, check, progress)
            if failure is None:
                os.replace(part, target)
                return target
            failures.append(f"{url}: {failure}")
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    raise DataError(
        f"cannot download {source.file}: {'; '.join(failures)}. Without a network, bring the file "
        "here yourself and name its folder with --raw DIR"
    )


def problem_with(path: Path, source: RawSource, check: Check | None = None) -> str | None:
    """Why a file is not the one described, or None if it is."""
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        return f"it has {size} bytes, expected {source.bytes}"
    if size > MAX_BYTES:
        return f"it is over the limit of {MAX_BYTES} bytes"
    if source.sha256 is not None:
        found = file_sha256(path)
        if found != source.sha256:
            return f"wrong checksum: sha256 {found}, expected {source.sha256}"
    try:
        if check:
            check(path)
    except DataError as error:
        return str(error)
    return None


def _from_mirror(
    url: str, part: Path, source: RawSource, check: Check | None, progress: Progress
) -> str | None:
    """Fills `part` from one address; returns why that failed, or None.

    What a broken connection left stays, to be resumed; wrong content is removed.
    """
    failure = _download(url, part, source, progress)
    if failure is not None:
        return failure
    wrong = problem_with(part, source, check)
    if wrong is not None:
        part.unlink()
    return wrong


def _download(url: str, part: Path, source: RawSource, progress: Progress) -> str | None:
    """Connects again for as long as every connection brings something new."""
    failure = None
    for _ in range(ATTEMPTS):
        before = _size(part)
        if before and before == source.bytes:
            return None
        failure = _transfer(url, part, source, progress)
        if failure is None or _size(part) == before:
            return failure
    return failure


def _transfer(url: str, part: Path, source: RawSource, progress: Progress) -> str | None:
    """Appends to `part` what one connection brings; returns why it ended early, or None."""
    start = _size(part)
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return _save(response, part, start, source, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # what is there belongs to another file: start over
        return f"the server answers {error.code} {error.reason}"
    except _NETWORK as error:
        return f"no connection ({getattr(error, 'reason', error) or type(error).__name__})"


def _save(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    source: RawSource,
    progress: Progress,
) -> str | None:
    resumed = (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")
    done = start if resumed and response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
    length = response.headers.get("Content-Length") or ""
    total = done + int(length) if length.isdecimal() else source.bytes or 0
    limit = source.bytes or MAX_BYTES
    with part.open("ab" if done else "wb") as stream:
        while done <= limit and (chunk := response.read(CHUNK_BYTES)):
            stream.write(chunk)
            done += len(chunk)
            progress(f"downloading {source.file}", done, total)
        stream.flush()
        os.fsync(stream.fileno())
    broke = done < min(total, limit)
    return f"the connection broke after {done} of {total} bytes" if broke else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
