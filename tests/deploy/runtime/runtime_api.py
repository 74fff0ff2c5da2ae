"""Lambda's Runtime API on this machine: hands a function its events, and takes the results."""

import json
import queue
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_PREFIX = "/2018-06-01/runtime"
_TIMEOUT_MS = 60_000


class FunctionFailed(Exception):
    """The function raised, or could not be started; `error` is what Lambda would report."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('errorType')}: {error.get('errorMessage')}")
        self.error = error


class _Outcome(NamedTuple):
    failed: bool
    body: Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function that is stopped hangs up, which is nothing to speak of."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """Serves one function at `address`, one event at a time."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._outcomes: queue.Queue[_Outcome] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def invoke(self, event: Any, seconds: float) -> Any:
        """The function's result. Raises FunctionFailed, or queue.Empty after so many seconds."""
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode()))
        outcome = self._outcomes.get(timeout=seconds)
        if outcome.failed:
            raise FunctionFailed(outcome.body)
        return outcome.body

    def stop(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> tuple[str, bytes] | None:
        """Wait for an event; None once the API is stopped."""
        self.ready.set()
        return self._events.get()

    def take(self, outcome: _Outcome) -> None:
        """Take a result, or the news that there will be none."""
        self._outcomes.put(outcome)
        self.ready.set()


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one write: two wait for each other's acknowledgement

        def do_GET(self) -> None:
            event = api.next()
            if event is None:
                self.close_connection = True
                return
            request_id, body = event
            deadline = str(int(time.time() * 1000) + _TIMEOUT_MS)
            arn = "arn:aws:lambda:us-east-1:123456789012:function:parley"
            self._answer(
                200,
                body,
                {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": deadline,
                    "Lambda-Runtime-Invoked-Function-Arn": arn,
                    "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793",
                    "Content-Type": "application/json",
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix(_PREFIX)
            api.take(_Outcome(path.endswith("/error"), json.loads(body)))
            self._answer(202, b"", {})

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler
