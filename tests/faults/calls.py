"""Calls whose outcome and duration are kept, so that a test can judge all of them (G9)."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import websockets

from tests.client import Answer, Crashed, Refused, Socket, User

T = TypeVar("T")

BOUND = 15.0
"""No call may take longer while one server is sick."""

API_GATEWAY_SECONDS = 29.0
"""No call may take longer in any case: then API Gateway would answer in our place."""


class Unanswered(Exception):
    """The caller cannot know what became of its call, and may make it again."""


class Call(NamedTuple):
    what: str
    outcome: str
    seconds: float


class Calls:
    """Outcomes are "ok", "unavailable" (503), "crashed" (the worker died), "unauthorized" and
    "lost" (the socket closed first). Any other answer fails the test at once."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.waiting = 0
        """How many wait for their answer."""

    def __str__(self) -> str:
        outcomes = dict(Counter(call.outcome for call in self.made))
        return f"calls: {outcomes}; slowest: {max(self.made, key=lambda call: call.seconds)}"

    async def http(self, user: User, route: str, body: Any = None) -> Any:
        """The body of a success."""

        async def call() -> tuple[str, Any]:
            answer = await user.call(route, body)
            return _outcome_of(answer), answer.body

        return await self._made(route, call)

    async def ask(self, socket: Socket, action: str, data: Any = None) -> Any:
        """The data of an answer over a socket."""

        async def call() -> tuple[str, Any]:
            try:
                return "ok", await socket.ask(action, data, API_GATEWAY_SECONDS + 1)
            except Refused as refused:
                tells_when = refused.answer.get("retry_after", 0) > 0
                if refused.code == "unauthorized" or (refused.code == "unavailable" and tells_when):
                    return refused.code, None
                raise
            except Crashed:
                return "crashed", None
            except (ConnectionError, websockets.ConnectionClosed):
                return "lost", None

        return await self._made(action, call)

    async def connect(self, user: User) -> Socket:
        """A socket opened with a fresh ticket."""
        ticket = await self.http(user, "POST /v1/socket-tickets")

        async def call() -> tuple[str, Any]:
            try:
                return "ok", await user.open(ticket)
            except websockets.InvalidStatus as refused:
                status = refused.response.status_code
                return _REFUSALS[status], None

        socket: Socket = await self._made("$connect", call)
        return socket

    def outcomes(self) -> set[str]:
        """What became of all calls so far; those that a test itself ended aside."""
        return {call.outcome for call in self.made} - {"cancelled"}

    async def _made(self, what: str, call: Callable[[], Awaitable[tuple[str, T]]]) -> T:
        started = time.monotonic()
        outcome = "failed"
        self.waiting += 1
        try:
            outcome, result = await call()
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self.waiting -= 1
            self.made.append(Call(what, outcome, time.monotonic() - started))
        if outcome != "ok":
            raise Unanswered(outcome)
        return result


# A ticket is lost with Redis: then it is 401.
_REFUSALS = {401: "unauthorized", 502: "crashed", 503: "unavailable"}


def _outcome_of(answer: Answer) -> str:
    if answer.status < 300:
        return "ok"
    tells_when = int(answer.headers.get("retry-after", 0)) > 0
    if (answer.status, answer.code) == (503, "unavailable") and tells_when:
        return "unavailable"
    if (answer.status, answer.code) == (502, "internal"):
        return "crashed"
    raise Refused(answer.code or str(answer.status), answer.body)


async def until_answered(call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Make a call again until it is answered."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Unanswered):
                return await call(*arguments)
            await asyncio.sleep(0.2)
