"""A Lambda worker: imports the app once, then handles one event at a time, as Lambda does.

`local.functions.process` starts it as a script, with the app's folder as its import path. It
imports nothing else of `local`, so that it loads no more than a Lambda would.
"""

import ctypes
import importlib
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

MAX_PAYLOAD = 6 * 1024 * 1024
"""Lambda's limit on an event and on a result, in bytes."""

Handler = Callable[[Any, Any], Any]
_HEADER = struct.Struct("!I")
_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.5


class Context:
    """What Lambda hands a handler beside the event."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, message: dict[str, Any]) -> None:
        name = message["function"]
        self.function_name = name
        self.aws_request_id = message["id"]
        self.memory_limit_in_mb = message["memory"]
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = f"local/{os.getpid()}"
        self._deadline = time.monotonic() + float(message["timeout"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even in the middle of a handler."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_leave_after, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _leave_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def describe(app: Any) -> dict[str, Any]:
    """Say what the app registered: routes, socket handlers, schedules and push queues."""
    return {
        "routes": {
            path: {
                method: entry.cors.get_access_control_headers() if entry.cors else None
                for method, entry in methods.items()
            }
            for path, methods in app.routes.items()
        },
        "sockets": {
            route: handler.handler_string for route, handler in app.websocket_handlers.items()
        },
        "functions": {
            function.handler_string: function.name for function in app.pure_lambda_functions
        },
        "schedules": [
            {
                "name": source.name,
                "handler": source.handler_string,
                "expression": _expression(source.schedule_expression),
            }
            for source in app.event_sources
            if hasattr(source, "schedule_expression")
        ],
        "queues": _push_queues(),
    }


def _expression(expression: Any) -> str:
    return expression if isinstance(expression, str) else str(expression.to_string())


def _push_queues() -> list[str]:
    try:
        return list(importlib.import_module("chalicelib.broker.pushes").PUSH_QUEUES)
    except ModuleNotFoundError as error:
        if error.name not in ("chalicelib", "chalicelib.broker", "chalicelib.broker.pushes"):
            raise
        return []


def _resolve(name: str) -> Handler:
    module, _, attribute = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), attribute)
    return handler


def _run(handlers: dict[str, Handler], message: dict[str, Any]) -> dict[str, Any]:
    """Call the handler named by the message: its result, or its error as Lambda reports it."""
    name = message["handler"]
    context = Context(message)
    try:
        handler = handlers.get(name)
        if handler is None:
            handler = handlers[name] = _resolve(name)
        return {"ok": handler(message["event"], context)}
    except Exception as error:
        traceback.print_exc()
        return {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}


def _encode(answer: dict[str, Any]) -> bytes:
    problem: str | None = None
    try:
        data = json.dumps(answer).encode()
        if len(data) > MAX_PAYLOAD:
            problem = f"The result has {len(data)} bytes; Lambda allows {MAX_PAYLOAD}."
    except (TypeError, ValueError) as error:
        problem = f"The result cannot be sent as JSON: {error}"
    if problem is not None:
        print(problem, file=sys.stderr)
        refusal = {"errorType": "Runtime.MarshalError", "errorMessage": problem}
        data = json.dumps({"error": refusal}).encode()
    return _HEADER.pack(len(data)) + data


def _receive(channel: socket.socket) -> bytes | None:
    """Read one message; None when the pool has closed the channel."""
    data = b""
    wanted = _HEADER.size
    while len(data) < wanted or wanted == _HEADER.size:
        chunk = channel.recv(max(65536, wanted - len(data)))
        if not chunk:
            return None
        data += chunk
        if len(data) >= _HEADER.size:
            wanted = _HEADER.size + _HEADER.unpack_from(data)[0]
    return data[_HEADER.size :]


def show_more() -> None:
    """For work on the app: print whole tracebacks, and let `breakpoint()` work."""
    import logging  # imported here: other workers do not need it

    make = logging.getLogRecordFactory()

    def record(*given: Any, **more: Any) -> Any:
        made = make(*given, **more)
        if made.exc_info and made.exc_info[0] is not None:
            # The app does not log messages of exceptions, which may quote secrets.
            traceback.print_exception(*made.exc_info)
        return made

    logging.setLogRecordFactory(record)
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _debug


def _debug(*_: Any, header: str | None = None) -> None:
    import pdb

    if (deadline := sys.modules.get("chalicelib.deadline")) is not None:
        deadline.end()  # the time of this event must not run out at the prompt
    debugger = pdb.Pdb()
    if header is not None:
        debugger.message(header)
    debugger.set_trace(sys._getframe().f_back)


def main(descriptor: int, parent: int, folder: str, *flags: str) -> None:
    """Serve events from the channel until the pool closes it."""
    die_with_parent(parent)
    sys.path.insert(0, folder)
    if "dev" in flags:
        show_more()
    channel = socket.socket(fileno=descriptor)
    handlers: dict[str, Handler] = {}
    app = importlib.import_module("app")
    channel.sendall(_encode({"ok": "ready"}))
    while (data := _receive(channel)) is not None:
        message = json.loads(data)
        if message["handler"] == "describe":
            answer = {"ok": describe(app.app)}
        else:
            answer = _run(handlers, message)
        channel.sendall(_encode(answer))
        # Flushed after the answer, so that it does not delay it.
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
