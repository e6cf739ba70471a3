"""Downloads files from mirrors: resumed, verified, and under their final name only when right.

Connections, proxies, retries and waiting when a server asks for it are those of requests. Pooch
was considered for the rest. It neither resumes a broken download, nor tries several addresses for
one file, nor stops a server that never stops sending.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from datasets.errors import DataError
from datasets.spec import Progress, RawSource, silent
from datasets.store.manifest import file_sha256

CHUNK_BYTES = 1 << 18
MAX_BYTES = 1 << 28
"""More than any raw file fetched here: the limit for a server that never stops sending."""
ATTEMPTS = 10
TIMEOUT_S = 30
CONNECTIONS = 8
"""At once, to one server."""
BUSY = (429, 500, 502, 503, 504)
WAIT_S = 120
"""The longest wait that a server may ask for with Retry-After."""
GIVE_UP_AFTER = 2 * CONNECTIONS
"""So many files in a row that cannot be fetched end the download."""

Check = Callable[[Path], object]


@dataclass(frozen=True)
class Fetched:
    """A source and its file, or why that could not be fetched."""

    source: RawSource
    problem: str | None


def fetch(
    source: RawSource, folder: Path, *, check: Check | None = None, progress: Progress = silent
) -> Path:
    """The verified file in `folder`, downloaded unless it is there already.

    Tries each address in turn; a broken connection is resumed. `check` raises DataError for
    content that no checksum pins. Raises DataError with what went wrong at each address.
    """
    with _session(connections=1) as session:
        download = _Download(source, folder, session, check, progress)
        problem = download.run()
    if problem is not None:
        raise DataError(
            f"{problem}. Without a network, bring the file here yourself and name its folder "
            "with --raw DIR"
        )
    return download.target


def fetch_all(
    sources: Sequence[RawSource], folder: Path, progress: Progress
) -> Generator[Fetched, None, None]:
    """Each source when its file is in `folder`, in order of arrival, over several connections.

    Raises DataError if a file cannot be written, or if many in a row cannot be fetched; what has
    come is kept, and a later call goes on from there.
    """
    total = sum(source.bytes or 0 for source in sources)
    done = failed_in_a_row = 0
    progress("downloading", 0, total)
    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="download")
    with _session(CONNECTIONS) as session:
        try:
            waiting: dict[Future[str | None], RawSource] = {
                pool.submit(_Download(source, folder, session).run): source for source in sources
            }
            for future in as_completed(waiting):
                source, problem = waiting.pop(future), future.result()
                failed_in_a_row = failed_in_a_row + 1 if problem else 0
                if problem and failed_in_a_row >= GIVE_UP_AFTER:
                    raise DataError(
                        f"{failed_in_a_row} files in a row cannot be fetched, the last one: "
                        f"{problem}; start again later: what has come is kept"
                    )
                done += source.bytes or 0
                progress("downloading", done, total)
                yield Fetched(source, problem)
        finally:
            pool.shutdown(cancel_futures=True)


def problem_with(path: Path, source: RawSource, check: Check | None = None) -> str | None:
    """Why a file is not the one described, or None if it is."""
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        return sent_instead(path) or f"it has {size} bytes, expected {source.bytes}"
    if size > MAX_BYTES:
        return f"it is over the limit of {MAX_BYTES} bytes"
    if source.sha256 is not None:
        found = file_sha256(path)
        if found != source.sha256:
            wrong = f"wrong checksum: sha256 {found}, expected {source.sha256}"
            return sent_instead(path) or wrong
    try:
        if check:
            check(path)
    except DataError as error:
        return sent_instead(path) or str(error)
    return None


def sent_instead(path: Path) -> str | None:
    """What servers send instead of a file, if it is one of these."""
    with path.open("rb") as stream:
        start = stream.read(256).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer came instead of the file (git-lfs budget used up?)"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page came instead of the file"
    return None


@dataclass(frozen=True)
class _Download:
    """One file on its way to `target`; what has come so far is in `part`."""

    source: RawSource
    folder: Path
    session: requests.Session
    check: Check | None = None
    progress: Progress = silent

    @property
    def target(self) -> Path:
        return self.folder / self.source.file

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    def run(self) -> str | None:
        """Why the file cannot be had from any address, or None; DataError if it cannot be kept."""
        failures = []
        try:
            if self.target.exists() and self._problem(self.target) is None:
                return None
            self.target.parent.mkdir(parents=True, exist_ok=True)
            for url in self.source.urls:
                failure = self._from_address(url)
                if failure is None:
                    os.replace(self.part, self.target)
                    return None
                failures.append(f"{url}: {failure}")
        except OSError as error:
            raise DataError(
                f"cannot write {self.target}: {error.strerror or error}; free some space or choose "
                "another place, and start again: what has come is kept"
            ) from error
        return f"cannot download {self.source.file}: {'; '.join(failures)}"

    def _problem(self, path: Path) -> str | None:
        return problem_with(path, self.source, self.check)

    def _from_address(self, url: str) -> str | None:
        """Fills the part from one address; returns why that failed, or None.

        What a broken connection left stays, to be resumed; wrong content is removed.
        """
        resumed = _size(self.part) > 0
        failure = self._connected(url)
        if failure is not None:
            return failure
        wrong = self._problem(self.part)
        if wrong is not None:
            self.part.unlink()
            if resumed:  # the beginning may have been of another file: once more, from the start
                return self._from_address(url)
        return wrong

    def _connected(self, url: str) -> str | None:
        """Connects again for as long as every connection brings something new."""
        failure = None
        for _ in range(ATTEMPTS):
            before = _size(self.part)
            if before and before == self.source.bytes:
                return None
            failure = self._transfer(url)
            if failure is None or _size(self.part) == before:
                return failure
        return failure

    def _transfer(self, url: str) -> str | None:
        """Appends what one connection brings; returns why it ended early, or None."""
        start = _size(self.part)
        # Not packed for the transfer: a range counts the bytes of the file itself.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with self.session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
                if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    self.part.unlink(missing_ok=True)  # it belongs to another file: start over
                if not response.ok:
                    return f"the server answers {response.status_code} {response.reason}"
                return self._save(response, start)
        except requests.RequestException as error:
            return f"no connection ({_reason(error)})"

    def _save(self, response: requests.Response, start: int) -> str | None:
        ranges = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        resumed = ranges and response.status_code == HTTPStatus.PARTIAL_CONTENT
        done = start if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else self.source.bytes or 0
        limit = self.source.bytes or MAX_BYTES
        broke = None
        with self.part.open("ab" if done else "wb") as stream:
            while done <= limit and (chunk := _chunk(response)):
                stream.write(chunk)
                done += len(chunk)
                self.progress(f"downloading {self.source.file}", done, total)
        if done < min(total, limit):
            broke = f"the connection broke after {done} of {total} bytes"
        return broke


def _session(connections: int) -> requests.Session:
    retries = Retry(
        total=None,
        connect=1,
        read=1,
        status=5,
        redirect=5,
        other=0,
        status_forcelist=BUSY,
        backoff_factor=0.3,
        raise_on_status=False,
        retry_after_max=WAIT_S,
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=retries))
    return session


def _chunk(response: requests.Response) -> bytes:
    """The next bytes of the body; none when it ends, or the connection does."""
    try:
        return response.raw.read1(CHUNK_BYTES, decode_content=False)
    except (HTTPError, ConnectionError, TimeoutError):
        return b""


def _reason(error: BaseException) -> str:
    """The cause below the layers that report it."""
    while isinstance(
        cause := getattr(error, "reason", None) or (error.args or [None])[0], Exception
    ):
        error = cause
    return str(error).partition(": ")[2] or str(error) or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
