"""A small app that shows what it was called with, and fails on demand."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from chalice.app import Chalice, CORSConfig, Request, Response, WebsocketEvent

app = Chalice(app_name="sample")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.binary_types.append("application/x-sample")
CORS = CORSConfig(allow_headers=["X-Sample"], max_age=600)


def record(kind: str, event: Any) -> None:
    """Add a line to the file that the tests read."""
    line = json.dumps({"kind": kind, "event": event, "pid": os.getpid()}) + "\n"
    with Path(os.environ["RECORD_FILE"]).open("a") as file:
        file.write(line)


def current_request() -> Request:
    """The request in hand."""
    assert app.current_request is not None
    return app.current_request


def misbehave(how: str) -> None:
    """Do what a test asks for in place of an answer."""
    if how == "crash":
        os._exit(7)
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        raise RuntimeError("asked to raise")
    if how.startswith("sleep-"):
        time.sleep(float(how.removeprefix("sleep-")))
    if how.startswith("spin-"):
        end = time.monotonic() + float(how.removeprefix("spin-"))
        while time.monotonic() < end:
            pass


@app.route("/v1/echo", methods=["GET", "PUT"], content_types=[])
def echo() -> Any:
    return current_request().to_original_event()


@app.route("/v1/echo/{name}", methods=["POST", "DELETE"], cors=CORS)
def echo_named(name: str) -> Response:
    request = current_request()
    body = {"name": name, "event": request.to_original_event()}
    headers: dict[str, Any] = {"X-One": "1", "Set-Cookie": ["a=1", "b=2"]}
    return Response(body=body, status_code=201, headers=headers)


@app.route("/v1/echo/fixed", methods=["POST"])
def echo_fixed() -> dict[str, str]:
    return {"fixed": "yes"}


@app.route("/v1/binary", methods=["POST"], content_types=["application/x-sample"])
def binary() -> Response:
    given = current_request().raw_body
    return Response(body=given[::-1], headers={"Content-Type": "application/x-sample"})


@app.route("/v1/misbehave/{how}")
def misbehave_route(how: str) -> dict[str, int]:
    misbehave(how)
    return {"pid": os.getpid()}


@app.route("/v1/large/{size}")
def large(size: str) -> Response:
    return Response(body="x" * int(size), headers={"Content-Type": "text/plain"})


@app.on_ws_connect()
def ws_connect(event: WebsocketEvent) -> dict[str, Any]:
    given = event.to_dict()
    record("connect", given)
    ticket = (given.get("queryStringParameters") or {}).get("ticket", "")
    misbehave(ticket)
    if ticket.startswith("status-"):
        return {"statusCode": int(ticket.removeprefix("status-"))}
    if ticket == "protocol":
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "sample"}}
    return {"statusCode": 200}


@app.on_ws_message()
def ws_message(event: WebsocketEvent) -> dict[str, Any]:
    body = event.body
    if body == "event":
        return {"statusCode": 200, "body": json.dumps(event.to_dict())}
    if body.startswith("note-"):
        record("message", body)
    if body == "silent":
        return {"statusCode": 200}
    if body.startswith("large-"):
        return {"statusCode": 200, "body": "x" * int(body.removeprefix("large-"))}
    misbehave(body)
    return {"statusCode": 200, "body": body}


@app.on_ws_disconnect()
def ws_disconnect(event: WebsocketEvent) -> None:
    record("disconnect", event.to_dict())


@app.lambda_function(name="notify")
def notify(event: dict[str, Any], context: Any) -> None:
    record("notify", {**event, "remaining": context.get_remaining_time_in_millis()})
    flag = Path(os.environ["RECORD_FILE"] + ".fail")
    if flag.exists():
        raise RuntimeError("asked to fail")


@app.lambda_function(name="context")
def show_context(event: Any, context: Any) -> dict[str, Any]:
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "function_name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
    }


@app.schedule("rate(5 minutes)")
def tidy(event: Any) -> None:
    record("tidy", event.to_dict())


def slow_schedule(event: Any, context: Any) -> None:
    record("slow-started", event)
    time.sleep(0.1)
    record("slow-ended", event)


def failing_schedule(event: Any, context: Any) -> None:
    raise RuntimeError("asked to fail")


def dies_once(event: Any, context: Any) -> None:
    flag = Path(os.environ["RECORD_FILE"] + ".died")
    if not flag.exists():
        flag.touch()
        os._exit(9)
    record("survived", event)


def hangs(event: Any, context: Any) -> None:
    record("hangs", event)
    time.sleep(4)
