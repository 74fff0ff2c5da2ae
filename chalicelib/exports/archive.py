"""Writes a user's data as a ZIP of JSON files, one page at a time."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Protocol
from zipfile import ZIP_DEFLATED, ZipFile

from pydantic_core import to_json

from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.messages.models.chats import Chat, Member
    from chalicelib.messages.models.messages import Message

Row = dict[str, Any]

PAGE = 200
PASSES = 5
"""How many times the list of chats is read from its top, at most."""

SKEW = timedelta(minutes=1)
"""How much the clocks of servers, and of functions of an older version, may differ."""

MAX_BYTES = 400_000_000
"""An archive must fit on a function's disk of 512 MB."""

MESSAGE = {"id", "chat_id", "seq", "sender_id", "content", "created_at", "edited_at", "deleted_at"}

VIEW_ONLY = {"me", "partner", "last_message", "unread_count"}
"""Fields of a chat that an archive leaves out: it has all members and messages anyway."""

FILES = {
    "account.json": "Your profile, roles, sessions, programs you let in, devices that are pushed "
    "to, second factor, passkeys, Google account, and links that were mailed to you.",
    "audit.json": "What you did as moderator or admin, and what such people did to your account.",
    "chats.json": "The chats you are in, who else is, and how far each of you has read.",
    "messages.json": "The messages of these chats, yours and those you were sent, newest first.",
}

LEFT_OUT = [
    "The password, tokens, and the secrets of the second factor: kept as digests, or worth nothing "
    "to you and much to a thief.",
    "The push tokens of your devices at Firebase: they are secrets of these devices.",
    "Who of our staff acted on your account: that is about them.",
    "Profiles of the people you chat with, except their names: they belong to them.",
    "Presence, limits and mails that wait: gone before you have read this.",
]


class NotWritten(Exception):
    """An archive could not be made. The text says why, and names no user."""


class HoldsData(Protocol):
    """What an archive needs of PersonalData."""

    def account(self, user_id: str) -> dict[str, list[Row]] | None: ...

    def audit(self, user_id: str) -> Iterator[Row]: ...

    def names(self, user_ids: Collection[str]) -> dict[str, Row]: ...


class HoldsChats(Protocol):
    """The chats of an archive. The message store has them."""

    def page(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> "list[Chat]": ...

    def members(
        self, chat_id: str, *, member: str, limit: int, after: str | None = None
    ) -> "list[Member] | None": ...


class HoldsMessages(Protocol):
    """The messages of an archive."""

    def now(self) -> datetime: ...

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> "list[Message] | None": ...


class HoldsConversations(Protocol):
    """Chats and messages, from one server."""

    @property
    def chats(self) -> HoldsChats: ...

    @property
    def timeline(self) -> HoldsMessages: ...


class Archive:
    """In memory are one page and the ids of all chats."""

    def __init__(
        self,
        *,
        data: HoldsData,
        messages: HoldsConversations,
        clock: Callable[[], datetime] = now,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._data = data
        self._messages = messages
        self._clock = clock
        self._max_bytes = max_bytes

    def write(self, user_id: str, file: IO[bytes], *, seconds: float) -> None:
        """Write a user's archive. Messages that arrive while it is written may be missing.

        Raises NotWritten if it takes too long, gets too large, or the account was deleted;
        Unavailable.
        """
        ends = time.monotonic() + seconds
        account = self._data.account(user_id)
        if account is None:
            raise NotWritten("the account was deleted")
        about = {"format": 1, "made_at": self._clock(), "files": FILES, "left_out": LEFT_OUT}
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            archive.writestr("about.json", to_json(about, indent=2))
            archive.writestr("account.json", to_json(account, indent=2))
            chat_ids: dict[str, None] = {}
            for name, items in (
                ("audit.json", self._data.audit(user_id)),
                ("chats.json", self._chats(user_id, chat_ids)),
                ("messages.json", self._all_messages(user_id, chat_ids)),
            ):
                with archive.open(name, "w", force_zip64=True) as out:
                    for piece in _array(items):
                        out.write(piece)
                        if time.monotonic() > ends:
                            raise NotWritten("it takes too long")
                        if file.tell() > self._max_bytes:
                            raise NotWritten("it is too large")

    def _chats(self, user_id: str, seen: dict[str, None]) -> Iterator[dict[str, Any]]:
        """All chats, each once. A chat that became active while the list was read has moved to its
        top, so the top is read again."""
        since = None
        for _ in range(PASSES):
            known, began = len(seen), self._messages.timeline.now() - SKEW
            for page in self._pages(user_id, since):
                new = [chat for chat in page if chat.id not in seen]
                seen.update(dict.fromkeys(chat.id for chat in new))
                yield from self._described(user_id, new)
            if since and len(seen) == known:
                return
            since = began

    def _pages(self, user_id: str, since: datetime | None) -> "Iterator[list[Chat]]":
        """The chats that were active after a time, newest activity first."""
        before = None
        while True:
            page = self._messages.chats.page(user_id, limit=PAGE, before=before)
            yield [chat for chat in page if since is None or chat.last_activity_at >= since]
            if len(page) < PAGE or (since and page[-1].last_activity_at < since):
                return
            before = (page[-1].last_activity_at, page[-1].id)

    def _described(self, user_id: str, chats: "list[Chat]") -> Iterator[dict[str, Any]]:
        """Chats with their members and the members' names."""
        partners = {chat.partner.user_id for chat in chats if chat.partner is not None}
        names = self._data.names({user_id, *partners})
        for chat in chats:
            said = chat.model_dump(mode="json", exclude=VIEW_ONLY)
            if chat.partner is None:
                said["members"] = list(self._members(user_id, chat.id))
            else:
                both = ({"user_id": user_id} | dict(chat.me), dict(chat.partner))
                said["members"] = [one | names.get(one["user_id"], {}) for one in both]
            yield said

    def _members(self, user_id: str, chat_id: str) -> Iterator[dict[str, Any]]:
        """The members of a group and their names; none if the user has just left it."""
        after = None
        while True:
            page = self._messages.chats.members(chat_id, member=user_id, limit=PAGE, after=after)
            names = self._data.names({one.user_id for one in page or []})
            for one in page or []:
                yield dict(one) | names.get(one.user_id, {})
            if page is None or len(page) < PAGE:
                return
            after = page[-1].user_id

    def _all_messages(self, user_id: str, chat_ids: Iterable[str]) -> "Iterator[Message]":
        for chat_id in chat_ids:
            before = None
            while True:
                page = self._messages.timeline.history(
                    chat_id, member=user_id, before=before, limit=PAGE
                )
                yield from page or []
                if page is None or len(page) < PAGE:
                    break
                before = page[-1].seq


def _array(items: "Iterable[dict[str, Any] | Message]") -> Iterator[bytes]:
    """A JSON array, with one item on each line."""
    lead = b"[\n"
    for item in items:
        yield lead + to_json(item if isinstance(item, dict) else _message(item))
        lead = b",\n"
    yield b"\n]\n" if lead == b",\n" else b"[]\n"


def _message(message: "Message") -> dict[str, Any]:
    return message.model_dump(mode="json", include=MESSAGE)
