"""A server of the built client alone, whose build can be changed while pages are open."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from local.web.site import Site


class Host(ThreadingHTTPServer):
    """Serves `site`, as it is now."""

    daemon_threads = True
    site: Site

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}/"


class _Files(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/") or "index.html"
        file = self.server.site.files.get(path)
        body = b"" if file is None else file.body
        self.send_response(404 if file is None else 200)
        for name, value in self.server.site.headers.items():
            self.send_header(name, value)
        if file is not None:
            self.send_header("Content-Type", file.kind)
            self.send_header("Cache-Control", file.cache_control)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def hosting(site: Site) -> Iterator[Host]:
    """The server, until the test is done with it."""
    with Host(("127.0.0.1", 0), _Files) as server:
        server.site = site
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
