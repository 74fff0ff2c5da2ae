"""Round trips of one operation by server, counted on the wire while the real functions run.

Reads what a local cloud published from standard input, prints {operation: {server: trips}}.
"""

import asyncio
import json
import os
import statistics
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp

from bench import function
from bench.trips.tap import Taps
from tests.client import User, register

WARM_UP = 12  # psycopg prepares a statement at its sixth use
SAMPLES = 9
POSTS = "posts to sockets"
SERVERS = {
    "POSTGRES_URL": "postgres",
    "MESSAGES_URL": "mongo",
    "REDIS_URL": "redis",
    "AMQP_URL": "rabbitmq",
    "WS_ENDPOINT_URL": POSTS,
    "FCM_URL": "fcm",
}

Call = Callable[[], tuple[str, dict[str, Any]]]


def tapped(environment: dict[str, str]) -> tuple[Taps, dict[str, str]]:
    """Relays in front of every server, and the environment that leads there."""
    urls = {variable: urlsplit(environment[variable]) for variable in SERVERS}
    if urls["MESSAGES_URL"] == urls["POSTGRES_URL"]:
        del urls["MESSAGES_URL"]
    taps = Taps(
        (SERVERS[variable], url.hostname or "", url.port or 0) for variable, url in urls.items()
    )
    taps.start()
    led = {
        variable: _at(url, taps.ports[SERVERS[variable]]).geturl() for variable, url in urls.items()
    }
    led.setdefault("MESSAGES_URL", led["POSTGRES_URL"])
    return taps, {**environment, **led}


def _at(url: SplitResult, port: int) -> SplitResult:
    account, at, _ = url.netloc.rpartition("@")
    return url._replace(netloc=f"{account}{at}127.0.0.1:{port}")


def measure(taps: Taps, call: Call) -> dict[str, int]:
    """The median of what one call costs. Raises RuntimeError if a call fails."""
    found: list[Counter[str]] = []
    for number in range(WARM_UP + SAMPLES):
        handler, event = call()
        before = taps.counts.copy()
        result = function.resolve(handler)(event, function.context())
        if problem := function.failure(result):
            raise RuntimeError(f"{handler} answered {problem}")
        if number >= WARM_UP:
            found.append(taps.counts - before)
    names = sorted(set().union(*found))
    medians = {name: int(statistics.median(one[name] for one in found)) for name in names}
    return {name: trips for name, trips in medians.items() if trips}


def _push(sender: User, receiver: User, chat_id: str) -> dict[str, Any]:
    from chalicelib.broker.pushes import MessageUnread
    from chalicelib.ids import new_id
    from chalicelib.wire import now
    from local.functions import events

    unread = MessageUnread(
        message_id=new_id(),
        chat_id=chat_id,
        seq=10**6,
        sender_id=sender.id,
        preview="The quick brown fox",
        sent_at=now(),
        user_ids=[receiver.id],
    )
    record = events.rmq_message(
        {"headers": {}}, unread.model_dump_json().encode(), redelivered=False
    )
    return events.rmq("push.0", [record])


async def _operations(http_url: str, taps: Taps) -> dict[str, dict[str, int]]:
    async with aiohttp.ClientSession() as http:
        ana, bo, cy = [await register(http_url, http, name) for name in ("ana", "bo", "cy")]
        with_bo, with_cy = await ana.talk_with(bo), await ana.talk_with(cy)
        await cy.ok("PUT /v1/users/me/push-tokens/phone", {"token": "t" * 40, "platform": "web"})
        ticket = await ana.ok("POST /v1/socket-tickets")
        caller = function.Caller(f"bench-{uuid.uuid4().hex}")
        function.resolve("app.ws_connect")(caller.connect(ticket["ticket"]), function.context())
        template = "/v1/chats/{chat_id}/messages"
        seqs = iter(range(1, 10**6))

        def frame(action: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
            return "app.ws_message", caller.frame(action, data)

        def post() -> tuple[str, dict[str, Any]]:
            body = function.message(with_bo)
            del body["chat_id"]
            route = f"POST /v1/chats/{with_bo}/messages"
            return "app.app", function.rest(route, ana.token or "", body, template)

        calls: dict[str, Call] = {
            "message.send, receiver online": lambda: frame(
                "message.send", function.message(with_bo)
            ),
            "message.send, receiver absent": lambda: frame(
                "message.send", function.message(with_cy)
            ),
            "message.send, sent before": lambda: frame(
                "message.send", function.message(with_bo, "again")
            ),
            "chat.delivered": lambda: frame(
                "chat.delivered", {"chat_id": with_bo, "seq": next(seqs)}
            ),
            "ping": lambda: frame("ping", {}),
            "POST …/messages, receiver online": post,
            "GET /v1/users/me": lambda: (
                "app.app",
                function.rest("GET /v1/users/me", ana.token or ""),
            ),
            "push to one phone": lambda: (
                "chalicelib.notify.worker.notify",
                _push(ana, cy, with_cy),
            ),
        }
        async with bo.socket():
            return {name: measure(taps, call) for name, call in calls.items()}


def main() -> None:
    """Count for the cloud on standard input."""
    about = json.load(sys.stdin)
    taps, environment = tapped(about["environment"])
    os.environ.update(environment, LOG_LEVEL="WARNING")
    with function.unheard():
        found = asyncio.run(_operations(about["http_url"], taps))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
