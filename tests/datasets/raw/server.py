"""A small HTTP server on this machine with the faults of real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4096
"""1 MiB: several chunks."""

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 4242\n" % 0
PAGE = b"<!DOCTYPE html><html><title>Quota exceeded</title></html>"


class Server(ThreadingHTTPServer):
    """Serves `files` by path, and `content` at every other path.

    `break_after` ends each connection after so many bytes. `faults` says by path how the next
    requests fail: `cut`, `wrong`, `pointer`, `page` or a status. `asked` are the paths in order,
    `requests` their ranges. Each answer takes `delay_s`.
    """

    daemon_threads = True
    request_queue_size = 64
    content: bytes | None = CONTENT
    break_after: int | None = None
    ranges = True
    delay_s = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []
        self.asked: list[str] = []
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str | int]] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"{self.address}/file.gz"


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        self.server.asked.append(self.path)
        time.sleep(self.server.delay_s)
        faults = self.server.faults.get(self.path)
        self._answer(asked, faults.pop(0) if faults else None)

    def _answer(self, asked: str | None, fault: str | int | None) -> None:
        content = self.server.files.get(self.path, self.server.content)
        if isinstance(fault, int) or content is None:
            self._status(fault if isinstance(fault, int) else 404)
            return
        other = {"pointer": POINTER, "page": PAGE, "wrong": content[::-1]}
        content = other.get(fault or "", content)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(content):
            self._status(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        after = len(content) // 2 if fault == "cut" else self.server.break_after
        stop = len(content) if after is None else min(len(content), start + after)
        self.wfile.write(content[start:stop])
        self.close_connection = stop < len(content)

    def _status(self, status: int) -> None:
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test output clean."""
