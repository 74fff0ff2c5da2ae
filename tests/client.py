"""A client of Parley for tests and benchmarks: HTTP by aiohttp, sockets by websockets."""

import asyncio
import itertools
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import pyotp
import websockets
from websockets.asyncio.client import ClientConnection

SECONDS = 40.0
PASSWORD = "correct horse battery 42"


class Refused(Exception):
    """A frame or a request was answered with an error."""

    def __init__(self, code: str, answer: dict[str, Any]) -> None:
        super().__init__(code, answer)
        self.code, self.answer = code, answer


class Crashed(ConnectionError):
    """API Gateway got no answer from the function, and does not say to which frame."""


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


class Api:
    """Calls over HTTP, with or without somebody's access token."""

    def __init__(self, url: str, http: aiohttp.ClientSession, token: str | None = None) -> None:
        self.url, self.http, self.token = url, http, token

    async def call(self, route: str, body: Any = None, **sent: Any) -> Answer:
        """`route` is "METHOD /path"; `body` goes as JSON unless it is bytes."""
        method, path = route.split(" ", 1)
        headers = dict(sent.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, bytes):
            headers.setdefault("Content-Type", "application/json")
            sent["data"] = body
        elif body is not None:
            sent["json"] = body
        timeout = aiohttp.ClientTimeout(total=40)
        async with self.http.request(
            method, self.url + path, headers=headers, timeout=timeout, **sent
        ) as response:
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                json.loads(text) if text and is_json else text,
            )

    async def ok(self, route: str, body: Any = None, **sent: Any) -> Any:
        """The body of an answer that must be a success."""
        answer = await self.call(route, body, **sent)
        if answer.status >= 300:
            raise Refused(answer.code or str(answer.status), answer.body)
        return answer.body


def next_code(app: pyotp.TOTP) -> str:
    """The code of the time step to come, where the present one is used up. Of those that count
    (RFC 6238, section 5.2) it is the one that stays good for longest."""
    return app.at(int(time.time()), counter_offset=1)


class Socket:
    """An open socket: requests with answers by id, events in the order they came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self.stray: list[dict[str, Any]] = []
        self._came = asyncio.Condition()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = map(str, itertools.count(1))
        self._reader = asyncio.create_task(self._read())

    async def ask(self, action: str, data: Any = None, seconds: float = SECONDS) -> Any:
        """The data of an answer.

        Raises Refused, TimeoutError, ConnectionClosed or ConnectionError.
        """
        frame_id = next(self._ids)
        self._waiting[frame_id] = asyncio.get_running_loop().create_future()
        try:
            frame = {"id": frame_id, "action": action, "data": data or {}}
            await self.connection.send(json.dumps(frame, ensure_ascii=False))
            answer = await asyncio.wait_for(self._waiting[frame_id], seconds)
        finally:
            del self._waiting[frame_id]
        if "error" in answer:
            raise Refused(answer["error"]["code"], answer["error"])
        return answer["data"]

    async def send(self, chat_id: str, text: str, client_id: str | None = None) -> Any:
        content = {"kind": "text", "text": text}
        client_id = client_id or uuid.uuid4().hex
        return await self.ask(
            "message.send", {"chat_id": chat_id, "client_id": client_id, "content": content}
        )

    async def event(
        self, name: str, matches: Callable[[Any], bool] = lambda _: True, seconds: float = SECONDS
    ) -> Any:
        """The data of the first event of a name, come or yet to come, that matches."""

        def found() -> list[Any]:
            return [e["data"] for e in self.events if e["event"] == name and matches(e["data"])]

        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(found)
        return found()[0]

    async def closed(self, seconds: float = SECONDS) -> int | None:
        """Wait until the server closes; the close code."""
        async with asyncio.timeout(seconds):
            await self.connection.wait_closed()
        return self.connection.close_code

    async def close(self) -> None:
        await self.connection.close()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        try:
            async for text in self.connection:
                frame = json.loads(text)
                if "event" in frame:
                    async with self._came:
                        self.events.append(frame)
                        self._came.notify_all()
                elif frame.get("re") in self._waiting:
                    waiting = self._waiting[frame["re"]]
                    if not waiting.done():
                        waiting.set_result(frame)
                else:
                    self.stray.append(frame)
                    if "re" not in frame:
                        self._give_up(Crashed(frame))
        except websockets.ConnectionClosed:
            pass
        finally:
            self._give_up(ConnectionError("the socket closed before the answer came"))

    def _give_up(self, error: ConnectionError) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)


async def first_closed(sockets: list[Socket]) -> Socket:
    """The socket that the server closes first."""
    closing = {asyncio.create_task(socket.closed()): socket for socket in sockets}
    done, pending = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return closing[done.pop()]


class User(Api):
    """Somebody who is signed in."""

    signed_in: dict[str, Any]

    @property
    def id(self) -> str:
        user_id: str = self.signed_in["user"]["id"]
        return user_id

    @property
    def username(self) -> str:
        name: str = self.signed_in["user"]["username"]
        return name

    async def sign_in(self) -> "User":
        """Another session of the same person."""
        other = User(self.url, self.http)
        other.signed_in = await other.ok(
            "POST /v1/auth/login", {"login": self.username, "password": PASSWORD}
        )
        other.token = other.signed_in["access_token"]
        return other

    async def chat_with(self, other: "User") -> str:
        chat = await self.ok("POST /v1/chats", {"kind": "direct", "user_id": other.id})
        chat_id: str = chat["id"]
        return chat_id

    async def talk_with(self, other: "User") -> str:
        """A chat in which both have written, so that nothing is kept from either."""
        chat_id = await self.chat_with(other)
        for one in (other, self):
            await one.send(chat_id, "hi")
        return chat_id

    async def send(self, chat_id: str, text: str, client_id: str | None = None) -> Any:
        content = {"kind": "text", "text": text}
        body = {"client_id": client_id or uuid.uuid4().hex, "content": content}
        return await self.ok(f"POST /v1/chats/{chat_id}/messages", body)

    async def connect(self) -> Socket:
        """Open a socket with a fresh ticket. The caller closes it."""
        return await self.open(await self.ok("POST /v1/socket-tickets"))

    async def open(self, ticket: dict[str, Any]) -> Socket:
        """Open a socket with this ticket. The caller closes it."""
        return Socket(
            await websockets.connect(
                f"{ticket['url']}?ticket={ticket['ticket']}",
                max_size=2**20,
                ping_interval=None,
                compression=None,
                open_timeout=SECONDS,
            )
        )

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        socket = await self.connect()
        try:
            yield socket
        finally:
            await socket.close()


async def register(url: str, http: aiohttp.ClientSession, name: str = "user") -> User:
    """A new person."""
    username = f"{name}_{secrets.token_hex(5)}"
    user = User(url, http)
    user.signed_in = await user.ok(
        "POST /v1/auth/register",
        {
            "email": f"{username}@example.org",
            "username": username,
            "password": PASSWORD,
            "display_name": name.capitalize(),
        },
    )
    user.token = user.signed_in["access_token"]
    return user
