"""A stand-in for @connections. It checks signatures as the local cloud does, and answers as the
name of a connection says."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from local.sigv4 import SignatureRefused, Verifier


class Management(ThreadingHTTPServer):
    """`gone…` is gone, `sick…` fails, `full…` has a full buffer, `once…` fails the first time,
    `busy…` is 429 twice, `slow…` takes its time, `hung…` longer than anybody waits. Where the
    account's rate is `used_up`, everything is 429."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.verifier = Verifier("test", "test")
        self.calls: list[tuple[str, str, Any]] = []
        self.lock = threading.Lock()
        self.used_up = False

    def answer(self, method: str, name: str, body: bytes) -> int:
        with self.lock:
            seen = [call for call in self.calls if call[1] == name]
            self.calls.append((method, name, json.loads(body) if body else None))
        if name.startswith("slow"):
            time.sleep(0.3)
        if name.startswith("hung"):
            time.sleep(3)
        if name.startswith("gone"):
            return 410
        if (name.startswith("full") and method == "POST") or self.used_up:
            return 429
        if name.startswith("busy") and len(seen) < 2:
            return 429
        if name.startswith("sick") or (name.startswith("once") and not seen):
            return 500
        return 200


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Management

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        stage, place, name = self.path.lstrip("/").split("/")
        try:
            self.server.verifier.check(self.command, self.path, "", headers, body)
            status = self.server.answer(self.command, unquote(name), body)
        except SignatureRefused:
            status = 403
        self.send_response(status if (stage, place) == ("api", "@connections") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_DELETE = do_POST  # noqa: N815, so does the library call it

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002
