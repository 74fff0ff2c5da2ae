"""Calls the app's functions in this process, as a Lambda worker does.

Run as a program it is a fresh worker: it reads {"handler": …, "events": [[event], …]} from standard
input, and prints how long the import and each event took.
"""

import importlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any


def context() -> Any:
    """What Lambda hands a handler beside the event."""
    from local.functions.worker import Context

    return Context({"function": "bench", "id": "bench", "memory": "128", "timeout": 29})


def resolve(handler: str) -> Any:
    """The callable that "module.attribute" names."""
    module, _, attribute = handler.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def rest(route: str, token: str, body: Any = None, resource: str = "") -> dict[str, Any]:
    """The event of "METHOD /path"; `resource` is the route's template where it has parameters."""
    from local.functions import events

    method, path = route.split(" ")
    names = [part[1:-1] if part.startswith("{") else "" for part in resource.split("/")]
    parameters = {name: value for name, value in zip(names, path.split("/"), strict=False) if name}
    request = events.HttpRequest(
        method=method,
        path=path,
        query="",
        headers=[("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")],
        body=b"" if body is None else json.dumps(body).encode(),
        source_ip="127.0.0.1",
        resource=resource or path,
        path_parameters=parameters,
    )
    return events.rest(request)


def message(chat_id: str, client_id: str = "") -> dict[str, Any]:
    """The data of a `message.send`."""
    content = {"kind": "text", "text": "The quick brown fox"}
    return {"chat_id": chat_id, "client_id": client_id or uuid.uuid4().hex, "content": content}


class Caller:
    """A socket that exists for the functions only: nothing can be posted to it."""

    def __init__(self, connection_id: str) -> None:
        from local.functions.events import Socket

        self._socket = Socket(connection_id, "127.0.0.1")

    def connect(self, ticket: str) -> dict[str, Any]:
        """The event of $connect."""
        event: dict[str, Any] = json.loads(self._socket.connect([], f"ticket={ticket}"))
        return event

    def frame(self, action: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """The event of $default with one frame."""
        from local.functions.events import new_request_id

        text = json.dumps({"id": "1", "action": action, "data": data})
        event: dict[str, Any] = json.loads(self._socket.message(text, new_request_id()))
        return event


def failure(result: Any) -> str | None:
    """What a function refused, if it did: its status, or the error in its answer."""
    if not isinstance(result, dict):
        return None
    status, body = result.get("statusCode", 200), result.get("body") or "{}"
    if status >= 300:
        return f"{status}: {body[:300]}"
    error = json.loads(body).get("error")
    return str(error) if error else None


@contextmanager
def unheard() -> Iterator[None]:
    """Drops the metrics that functions print: our own output is data."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


def main() -> None:
    """Be a fresh worker for the job on standard input."""
    job = json.load(sys.stdin)
    started = time.perf_counter()
    handler = resolve(job["handler"])
    seconds = [time.perf_counter() - started]
    for event in job["events"]:
        given = context()
        with unheard():
            started = time.perf_counter()
            result = handler(event, given)
            seconds.append(time.perf_counter() - started)
        if problem := failure(result):
            sys.exit(f"{job['handler']} answered {problem}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
