"""People who chat through an outage."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from tests.client import Api, User, register
from tests.faults.calls import Calls, Unanswered
from tests.faults.device import Device
from tests.faults.editor import Editor
from tests.stored import StoredChanges

SETTLE_SECONDS = 60.0
MAX_PUSHES = 1000  # what /_local/pushes keeps


class Sent(NamedTuple):
    """A message as its sender has it."""

    chat_id: str
    sender_id: str
    client_id: str
    text: str

    @classmethod
    def new(cls, chat_id: str, sender: User, text: str) -> "Sent":
        return cls(chat_id, sender.id, uuid.uuid4().hex, text)

    @property
    def route(self) -> str:
        return f"POST /v1/chats/{self.chat_id}/messages"

    @property
    def body(self) -> dict[str, Any]:
        return {"client_id": self.client_id, "content": {"kind": "text", "text": self.text}}


class Speaker:
    """Writes into a chat on a device, one message after the other, over its socket and over
    HTTP by turns."""

    def __init__(self, device: Device, chat_id: str, calls: Calls, chance: random.Random) -> None:
        self.device, self.user, self.chat_id = device, device.user, chat_id
        self.calls, self.chance = calls, chance
        self.acknowledged: list[tuple[Sent, Any]] = []
        self.given_up: list[Sent] = []

    async def speak(self, text: str) -> None:
        """Send a message, again and again until it is acknowledged; now and then give up."""
        sent = Sent.new(self.chat_id, self.user, text)
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                try:
                    message = await self.send(sent)
                    break
                except Unanswered:
                    if self.chance.random() < 0.1:
                        self.given_up.append(sent)
                        return
                    await asyncio.sleep(0.2)
        self.acknowledged.append((sent, message))

    async def send(self, sent: Sent) -> Any:
        """The message as stored. Raises Unanswered."""
        if self.chance.random() < 0.6:
            return await self.device.send({"chat_id": sent.chat_id, **sent.body})
        message = await self.calls.http(self.user, sent.route, sent.body)
        self.device.take(message)
        return message


class Crowd:
    """Ana and Bo chat; both are online, Ana on two devices. Cy is online too, and chats with Di,
    who has nothing but a phone that shows pushes."""

    ana: User
    bo: User
    cy: User
    di: User
    lively: str
    """The chat of Ana and Bo."""
    lonely: str
    """The chat of Cy and Di."""

    def __init__(self, url: str, http: aiohttp.ClientSession, chance: random.Random) -> None:
        self.calls = Calls()
        self.chance = chance
        self.anonymous = Api(url, http)
        self.devices: list[Device] = []
        self.speakers: list[Speaker] = []
        self.greetings: list[Any] = []
        self.editors: dict[str, Editor] = {}
        """By chat."""
        self._phones: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def gather(self) -> None:
        """Everybody registers, opens chats and goes online."""
        self.ana, self.bo, self.cy, self.di = [
            await register(self.anonymous.url, self.anonymous.http, name)
            for name in ("ana", "bo", "cy", "di")
        ]
        self.lively = await self.ana.chat_with(self.bo)
        self.lonely = await self.cy.chat_with(self.di)
        await self.give_phone(self.di)
        tablet = await self.ana.sign_in()
        for user, chat_id in (
            (self.ana, self.lively),
            (tablet, self.lively),
            (self.bo, self.lively),
            (self.cy, self.lonely),
        ):
            device = Device(user, self.calls)
            self.devices.append(device)
            self.speakers.append(Speaker(device, chat_id, self.calls, self.chance))
            self._tasks.append(asyncio.create_task(device.stay_online()))
        await self.until(lambda: all(device.is_online for device in self.devices))

    async def greet(self) -> None:
        """The other member writes once: otherwise only three messages could be sent to them."""
        if not self.greetings:
            for user, chat_id in (
                (self.ana, self.lively),
                (self.bo, self.lively),
                (self.di, self.lonely),
            ):
                self.greetings.append(await user.send(chat_id, "hi"))

    async def give_phone(self, user: User) -> None:
        """A device that shows pushes."""
        token = self._phones[user.id] = f"phone-{uuid.uuid4().hex}"
        body = {"token": token, "platform": "android"}
        await user.ok("PUT /v1/users/me/push-tokens/phone", body)

    @property
    def members(self) -> dict[str, list[User]]:
        """Of each chat."""
        return {self.lively: [self.ana, self.bo], self.lonely: [self.cy, self.di]}

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Inside the block everybody writes without end."""
        await self.greet()
        quiet = asyncio.Event()

        async def talk(speaker: Speaker) -> None:
            number = 0
            while not quiet.is_set():
                number += 1
                await speaker.speak(f"{speaker.user.username} {number}")
                await asyncio.sleep(self.chance.uniform(0, 0.1))

        talks = [asyncio.create_task(talk(speaker)) for speaker in self.speakers]
        self._tasks += talks
        yield
        quiet.set()
        await asyncio.gather(*talks)

    @asynccontextmanager
    async def editing(self, stored: StoredChanges) -> AsyncIterator[None]:
        """In the block, somebody changes messages of Ana and Bo, and the title of their chat."""
        editor = Editor(stored, self.lively, self.ana.id, self.chance)
        self.editors[self.lively] = editor
        quiet = asyncio.Event()

        async def edit() -> None:
            while not quiet.is_set():
                said = [s.acknowledged for s in self.speakers if s.chat_id == self.lively]
                await editor.change([message["seq"] for one in said for _, message in one[-9:]])
                await asyncio.sleep(self.chance.uniform(0, 0.4))

        task = asyncio.create_task(edit())
        self._tasks.append(task)
        yield
        quiet.set()
        await task
        print(f"changed: {len(editor.acknowledged)} messages and titles")
        assert editor.acknowledged

    async def leave(self) -> None:
        """Everybody goes offline. Raises what made somebody fail."""
        while waiting := [task for task in self._tasks if not task.done()]:
            for task in waiting:
                # More than once: before Python 3.12, wait_for may swallow a cancellation.
                task.cancel()
            await asyncio.wait(waiting, timeout=1)
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def ready(self) -> None:
        """Wait until every server answers again."""

        async def answers() -> bool:
            return (await self.anonymous.call("GET /v1/ready")).status == 200

        await self.until(answers)

    async def shown(self, user: User) -> list[str]:
        """Ids of the messages that a phone shows, once for each time that it shows them."""
        return [push["data"]["message_id"] for push in await self._pushes(user)]

    async def received(self, user: User) -> list[str]:
        """Ids of the messages that a phone was sent, once for each time that it was sent them."""
        pushes = await self._pushes(user)
        return [push["data"]["message_id"] for push in pushes for _ in range(push["count"])]

    async def _pushes(self, user: User) -> list[Any]:
        pushes = (await self.anonymous.ok("GET /_local/pushes"))["items"]
        assert len(pushes) < MAX_PUSHES
        return [push for push in pushes if push["token"] == self._phones[user.id]]

    async def until_shown(self, user: User, message_ids: Collection[str]) -> None:
        """Wait until a phone shows all of these."""

        async def all_shown() -> bool:
            return set(await self.shown(user)) >= set(message_ids)

        await self.until(all_shown)

    async def until(
        self, holds: Callable[[], bool | Awaitable[bool]], seconds: float = SETTLE_SECONDS
    ) -> None:
        """Wait until something holds. Raises TimeoutError, or what made somebody fail."""
        async with asyncio.timeout(seconds):
            while True:
                found = holds()
                if found if isinstance(found, bool) else await found:
                    return
                await asyncio.sleep(0.1)
                for task in self._tasks:
                    if task.done() and (error := task.exception()):
                        raise error
