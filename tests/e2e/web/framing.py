"""A program of others, as a browser sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Framing(ThreadingHTTPServer):
    """Shows where users come back, and at /frame a page that frames one of our URLs."""

    framed = ""

    @property
    def back(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/back"


class _Pages(BaseHTTPRequestHandler):
    server: Framing

    def do_GET(self) -> None:
        framed = f"<iframe src='{self.server.framed}'></iframe>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((framed if self.path == "/frame" else "Welcome back").encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def framing() -> Iterator[Framing]:
    """The program, until the test is done with it."""
    with Framing(("127.0.0.1", 0), _Pages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
