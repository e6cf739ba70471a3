"""A small HTTP server on this machine that can break connections and forget about ranges."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4096
"""1 MiB: several chunks."""


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every path; `break_after` ends each connection after so many bytes."""

    daemon_threads = True
    content = CONTENT
    break_after: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        content = self.server.content
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = len(content) if self.server.break_after is None else start + self.server.break_after
        self.wfile.write(content[start:stop])

    def log_message(self, *_: object) -> None:
        """Keeps the test output clean."""
