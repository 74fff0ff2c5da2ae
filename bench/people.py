"""The people of the load: their accounts, chats and sockets, kept from one job to the next."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from bench.link import Events, Link
from tests.client import User, register

AT_ONCE = 8  # sign-ups, connects and look-ups under way while nothing is measured
SESSION_SOCKETS = 8
T = TypeVar("T")


@dataclass
class Person:
    """A user with open sockets."""

    user: User
    links: list[Link] = field(default_factory=list)


@dataclass(eq=False)
class Lane:
    """A chat in which one sends and the other receives, one message under way at a time."""

    sender: Person
    receiver: Person
    chat_id: str
    rev: int = 0
    """How far the chat was when the job began."""


class People:
    """Signs up as many as a job needs. `came` gets what arrives on their sockets."""

    def __init__(self, http_url: str, http: aiohttp.ClientSession, came: Events) -> None:
        self._url = http_url
        self._http = http
        self._came = came
        self._people: list[Person] = []
        self._chats: dict[tuple[int, int], str] = {}

    async def lanes(self, pairs: int, under_way: int) -> list[Lane]:
        """Senders and receivers in a ring: sender i writes to receivers i, i+1, … ."""
        missing = max(0, 2 * max(pairs, under_way) - len(self._people))
        await each(self._sign_up, range(missing))
        senders, receivers = self._people[::2], self._people[1::2]
        ring = max(pairs, under_way)
        wanted = [
            (sender, (sender + place) % ring)
            for sender in range(pairs)
            for place in range(under_way)
        ]
        lanes = [Lane(senders[a], receivers[b], self._chats.get((a, b), "")) for a, b in wanted]
        await each(self._open_chat, lanes)
        for (a, b), lane in zip(wanted, lanes, strict=True):
            self._chats[a, b] = lane.chat_id
        return lanes

    async def _sign_up(self, _: int) -> None:
        person = Person(await register(self._url, self._http, "load"))
        person.links.append(await self._connect(person.user))
        self._people.append(person)

    async def _connect(self, user: User) -> Link:
        ticket = await user.ok("POST /v1/socket-tickets")
        return await Link.open(f"{ticket['url']}?ticket={ticket['ticket']}", self._came)

    async def connect_devices(self, person: Person, devices: int) -> None:
        session = person.user
        while len(person.links) < devices:
            if len(person.links) % SESSION_SOCKETS == 0:
                session = await session.sign_in()
            person.links.append(await self._connect(session))

    async def _open_chat(self, lane: Lane) -> None:
        if not lane.chat_id:
            lane.chat_id = await lane.sender.user.talk_with(lane.receiver.user)
        chat = await lane.sender.user.ok(f"GET /v1/chats/{lane.chat_id}")
        lane.rev = chat["last_rev"]


async def each(call: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Await all, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> None:
        async with gate:
            await call(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
