"""Import times, first events in a fresh worker, and how long `make run` takes to be ready."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from typing import Any

import aiohttp

from bench import function
from bench.samples import median_ms
from tests.client import register
from tests.cloud import ROOT

SECONDS = 60.0
ENTRIES = {
    "app": "REST and sockets",
    "chalicelib.notify.worker": "the push queue",
    "chalicelib.messages.jobs": "redelivery, overdue pushes",
    "chalicelib.auth.sessions.jobs": "the purge of sessions",
}


def imports(times: int) -> dict[str, dict[str, Any]]:
    """What importing each function's module takes in a fresh interpreter, files in the cache."""
    found = {}
    for module, meaning in ENTRIES.items():
        code = (
            "from time import perf_counter, process_time as cpu; began = perf_counter(), cpu(); "
            f"import {module}; print(perf_counter() - began[0], cpu() - began[1])"
        )
        runs = [[float(part) for part in _fresh(["-c", code]).split()] for _ in range(times + 1)]
        seconds, cpu_seconds = zip(*runs[1:], strict=True)
        found[module] = {
            "for": meaning,
            "ms": median_ms(seconds),
            "cpu_ms": median_ms(cpu_seconds),
        }
    return found


def first_events(about: dict[str, Any], times: int) -> dict[str, dict[str, float]]:
    """What a fresh worker takes: to import, for its first event, for its second."""
    found = {}
    for name, (handler, events) in asyncio.run(_events(about)).items():
        runs = [_fresh_worker(handler, events, about["environment"]) for _ in range(times)]
        parts = zip(("import_ms", "first_ms", "second_ms"), zip(*runs, strict=True), strict=True)
        found[name] = {part: median_ms(seconds) for part, seconds in parts}
    return found


def set_up_again() -> float:
    """Seconds that the set-up of `make run` takes when there is nothing left to do."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "local.bootstrap"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    return round(time.monotonic() - started, 2)


async def _events(about: dict[str, Any]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """By name: a handler, and two events for it."""
    async with aiohttp.ClientSession() as http:
        ana, bo = [await register(about["http_url"], http, name) for name in ("ana", "bo")]
        chat_id = await ana.talk_with(bo)
        ticket = (await ana.ok("POST /v1/socket-tickets"))["ticket"]
    caller = function.Caller(f"bench-{uuid.uuid4().hex}")
    _fresh_worker("app.ws_connect", [caller.connect(ticket)], about["environment"])
    me = function.rest("GET /v1/users/me", ana.token or "")
    return {
        "GET /v1/users/me": ("app.app", [me, me]),
        "ping": ("app.ws_message", [caller.frame("ping", {})] * 2),
        "message.send, receiver absent": (
            "app.ws_message",
            [caller.frame("message.send", function.message(chat_id)) for _ in range(2)],
        ),
    }


def _fresh_worker(handler: str, events: list[Any], environment: dict[str, str]) -> list[float]:
    """Seconds for the import and for each event."""
    job = json.dumps({"handler": handler, "events": events})
    seconds: list[float] = json.loads(_fresh(["-m", "bench.function"], job, environment))
    return seconds


def _fresh(arguments: list[str], text: str = "", environment: dict[str, str] | None = None) -> str:
    """What a fresh interpreter prints. Raises RuntimeError with its complaint."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
