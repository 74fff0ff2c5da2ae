"""A device that follows the client protocol: it knows only what the server sent it."""

import asyncio
import time
from collections import defaultdict
from typing import Any

from tests.client import Socket, User
from tests.faults.calls import Calls, Unanswered

GAP_SECONDS = 1.0
PING_SECONDS = 1.0
RECONNECT_SECONDS = 0.3
LOOK_SECONDS = 0.05


class Device:
    """Opens its socket first, then syncs, and merges by rev. A gap that stays open for a second
    makes it ask; a lost socket, or a ping that is refused, makes it begin again."""

    def __init__(self, user: User, calls: Calls) -> None:
        self.user = user
        self.calls = calls
        self.complete: dict[str, int] = {}
        self.revs: dict[str, set[int]] = defaultdict(set)
        """The revs that it knows of, by chat."""
        self.seen: dict[str, dict[int, Any]] = defaultdict(dict)
        """The newest version that it has of each message, by chat and seq."""
        self._states: dict[str, tuple[int, str | None]] = {}
        self.sockets = 0
        """How many it has opened."""
        self._acknowledged: dict[str, int] = {}
        self._gap_since: dict[str, float] = {}
        self._socket: Socket | None = None

    @property
    def is_online(self) -> bool:
        """Whether its socket is open and it has caught up."""
        return self._socket is not None

    def messages(self, chat_id: str) -> list[Any]:
        """What a person would see, in its order."""
        return [message for _, message in sorted(self.seen[chat_id].items())]

    def state(self, chat_id: str) -> tuple[int, str | None]:
        """The rev and the title of the newest state of a chat that it has."""
        return self._states.get(chat_id, (0, None))

    async def stay_online(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                await self._live()
            except Unanswered:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def send(self, body: dict[str, Any]) -> Any:
        """The message as stored. Raises Unanswered."""
        if self._socket is None:
            raise Unanswered("offline")
        message = await self.calls.ask(self._socket, "message.send", body)
        self.take(message)
        return message

    def take(self, message: Any) -> None:
        """Merge a message that came as an event, or as the answer to one that was sent here."""
        self._merge(message["chat_id"], [message], 0)

    async def _live(self) -> None:
        socket = await self.calls.connect(self.user)
        self.sockets += 1
        try:
            await self._sync(socket)
            self._socket = socket
            await self._follow(socket)
        finally:
            self._socket = None
            await socket.close()

    async def _sync(self, socket: Socket) -> None:
        more = True
        while more:
            news = await self.calls.ask(socket, "sync", {"chats": self.complete})
            for item in news["items"]:
                self._keep_state(item["chat"])
                self._merge(item["chat"]["id"], item["changes"], item["rev"])
            more = news["more"] or any(item["more"] for item in news["items"])

    async def _follow(self, socket: Socket) -> None:
        taken, pinged_at = 0, time.monotonic()
        while True:
            for event in socket.events[taken:]:
                taken += 1
                if event["event"] in ("message.new", "message.changed"):
                    self.take(event["data"])
                elif event["event"] == "chat.changed":
                    self._take_state(event["data"])
            for chat_id in self._open_gaps():
                await self._catch_up(socket, chat_id)
            for chat_id, rev in list(self.complete.items()):
                if rev > self._acknowledged.get(chat_id, 0):
                    data = {"chat_id": chat_id, "seq": rev}
                    await self.calls.ask(socket, "chat.delivered", data)
                    self._acknowledged[chat_id] = rev
            if time.monotonic() - pinged_at > PING_SECONDS:
                await self.calls.ask(socket, "ping")
                pinged_at = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)

    async def _catch_up(self, socket: Socket, chat_id: str) -> None:
        more = True
        while more:
            data = {"chat_id": chat_id, "since": self.complete.get(chat_id, 0)}
            changes = await self.calls.ask(socket, "chat.changes", data)
            if changes["chat"] is not None:
                self._keep_state(changes["chat"])
            self._merge(chat_id, changes["items"], changes["rev"])
            more = changes["more"]

    def _merge(self, chat_id: str, messages: list[Any], complete: int) -> None:
        """Add messages; `complete` is up to where the server says that nothing is missing."""
        seen = self.seen[chat_id]
        for message in messages:
            known = seen.setdefault(message["seq"], message)
            assert known["id"] == message["id"], "two messages in one place"
            assert known["rev"] != message["rev"] or known == message, "two versions with one rev"
            if known["rev"] < message["rev"]:
                seen[message["seq"]] = message
            self.revs[chat_id] |= {message["seq"], message["rev"]}
        self._advance(chat_id, complete)

    def _take_state(self, state: Any) -> None:
        """A change of a chat's own state has come in."""
        self._keep(state["chat_id"], state["rev"], state["title"])
        self.revs[state["chat_id"]].add(state["rev"])
        self._advance(state["chat_id"], 0)

    def _keep_state(self, chat: Any) -> None:
        """Its `state_rev` says nothing about the messages before it."""
        self._keep(chat["id"], chat["state_rev"], chat["title"])

    def _keep(self, chat_id: str, rev: int, title: str | None) -> None:
        known = self._states.setdefault(chat_id, (rev, title))
        assert known[0] != rev or known[1] == title, "two states with one rev"
        if known[0] < rev:
            self._states[chat_id] = (rev, title)

    def _advance(self, chat_id: str, complete: int) -> None:
        rev = max(self.complete.get(chat_id, 0), complete)
        while rev + 1 in self.revs[chat_id]:
            rev += 1
        self.complete[chat_id] = rev

    def _open_gaps(self) -> list[str]:
        """Chats in which something is missing, and has been for a second."""
        now = time.monotonic()
        overdue = []
        for chat_id, revs in self.revs.items():
            if max(revs, default=0) <= self.complete.get(chat_id, 0):
                self._gap_since.pop(chat_id, None)
            elif now - self._gap_since.setdefault(chat_id, now) > GAP_SECONDS:
                overdue.append(chat_id)
        return overdue
