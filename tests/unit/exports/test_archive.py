"""An archive holds what it says, each thing once, in bounded memory."""

import io
import json
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest

from chalicelib.exports.archive import FILES, PAGE, Archive, NotWritten
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Message, NewMessage
from tests.fake_message_store import FakeMessageStore, FakeTimeline
from tests.unit.exports.fakes import FakeHeld

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ANA, BO, EVE = new_id(), new_id(), new_id()


class Shelf:
    """Ana's account, and chats to put messages into."""

    def __init__(self) -> None:
        self.data, self.messages = FakeHeld({}), FakeMessageStore()
        self.data.accounts[ANA] = {"profile": [{"id": ANA, "email": "ana@example.org"}]}
        self.at = NOW
        self.archive = Archive(data=self.data, messages=self.messages, clock=lambda: self.at)

    def chat(self, *members: str) -> str:
        chat_id = new_id()
        first, second = members
        self.messages.chats.open_direct(chat_id, members=(first, second), at=self.at)
        return chat_id

    def send(self, chat_id: str, sender_id: str, text: str) -> None:
        new = NewMessage(
            id=new_id(),
            chat_id=chat_id,
            sender_id=sender_id,
            client_id=new_id(),
            content=TextContent(kind="text", text=text),
            created_at=self.at,
        )
        assert self.messages.timeline.append(new, unanswered=2**31) is not None

    def written(self, archive: Archive | None = None) -> dict[str, Any]:
        file = io.BytesIO()
        (archive or self.archive).write(ANA, file, seconds=60)
        with ZipFile(file) as found:
            assert found.testzip() is None
            return {name: json.loads(found.read(name)) for name in found.namelist()}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_it_holds_the_files_that_it_tells_about(shelf: Shelf) -> None:
    found = shelf.written()

    assert found.keys() == {"about.json", *FILES}
    assert found["about.json"]["files"] == FILES
    assert found["account.json"]["profile"][0]["email"] == "ana@example.org"
    assert (found["chats.json"], found["messages.json"]) == ([], [])


def test_it_holds_what_was_sent_and_received_and_nothing_of_other_chats(shelf: Shelf) -> None:
    ours, theirs = shelf.chat(ANA, BO), shelf.chat(BO, EVE)
    shelf.send(ours, ANA, "hello bo")
    shelf.send(ours, BO, "hello ana")
    shelf.send(theirs, BO, "secret")

    found = shelf.written()

    assert [one["content"]["text"] for one in found["messages.json"]] == ["hello ana", "hello bo"]
    (chat,) = found["chats.json"]
    assert {one["user_id"] for one in chat["members"]} == {ANA, BO}
    assert all("display_name" in one and "read_seq" in one for one in chat["members"])
    assert "client_id" not in found["messages.json"][0]


def test_it_holds_all_members_of_a_group(shelf: Shelf) -> None:
    others = [new_id() for _ in range(PAGE + 1)]
    shelf.messages.make_group(new_id(), [ANA, *others], "Friends", NOW)

    (chat,) = shelf.written()["chats.json"]

    assert (chat["title"], chat["member_count"]) == ("Friends", PAGE + 2)
    assert [one["user_id"] for one in chat["members"]] == sorted([ANA, *others])
    assert all("display_name" in one and "read_seq" in one for one in chat["members"])


def test_a_deleted_message_is_in_it_without_content(shelf: Shelf) -> None:
    chat_id = shelf.chat(ANA, BO)
    shelf.send(chat_id, ANA, "a secret")
    shelf.messages.timeline.revise(chat_id, 1, member=ANA, content=None)

    (message,) = shelf.written()["messages.json"]

    assert message["content"] is None
    assert message["deleted_at"] is not None


def test_long_histories_are_whole(shelf: Shelf) -> None:
    chat = shelf.chat(ANA, BO)
    for number in range(2 * PAGE + 1):
        shelf.send(chat, ANA, str(number))

    found = shelf.written()

    told = [one["content"]["text"] for one in found["messages.json"]]
    assert told == [str(number) for number in reversed(range(2 * PAGE + 1))]


def test_a_chat_that_becomes_active_meanwhile_is_in_it_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.exports.archive.PAGE", 2)
    chats = []
    for minutes in range(5):
        shelf.at = NOW + timedelta(minutes=10 * minutes)
        chats.append(shelf.chat(ANA, BO))
    read = shelf.messages.chats.page
    calls = []

    def chats_while_somebody_writes(member: str, **page: Any) -> list[Chat]:
        found = read(member, **page)
        calls.append(page)
        if len(calls) == 1:  # the one that would have come last moves to the top
            shelf.at += timedelta(minutes=10)
            shelf.send(chats[0], BO, "psst")
        return found

    monkeypatch.setattr(shelf.messages.chats, "page", chats_while_somebody_writes)
    monkeypatch.setattr(shelf.messages.timeline, "now", lambda: shelf.at)
    found = shelf.written()

    assert sorted(one["id"] for one in found["chats.json"]) == sorted(chats)
    assert [one["content"]["text"] for one in found["messages.json"]] == ["psst"]


def test_what_takes_too_long_or_gets_too_large_is_not_written(shelf: Shelf) -> None:
    chat = shelf.chat(ANA, BO)
    shelf.send(chat, ANA, "hello")
    with pytest.raises(NotWritten, match="too long"):
        shelf.archive.write(ANA, io.BytesIO(), seconds=-1)

    small = Archive(data=shelf.data, messages=shelf.messages, max_bytes=100)
    with pytest.raises(NotWritten, match="too large"):
        small.write(ANA, io.BytesIO(), seconds=60)


def test_of_a_deleted_user_nothing_is_written(shelf: Shelf) -> None:
    shelf.data.accounts.clear()

    with pytest.raises(NotWritten, match="deleted"):
        shelf.archive.write(ANA, io.BytesIO(), seconds=60)


class Endless(FakeTimeline):
    """So many messages of one chat that they are made as they are read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.chat_id = new_id()

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        newest = self.count if before is None else before - 1
        return list(self._page(newest, limit))

    def _page(self, newest: int, limit: int) -> Iterator[Message]:
        for seq in range(newest, max(newest - limit, 0), -1):
            yield Message(
                id=new_id(),
                chat_id=self.chat_id,
                seq=seq,
                rev=seq,
                sender_id=BO,
                client_id="c",
                created_at=NOW,
                content=TextContent(kind="text", text=f"message {seq} " * 20),
            )


def test_tens_of_thousands_of_messages_take_no_more_memory_than_a_page(shelf: Shelf) -> None:
    timeline = Endless(20_000)
    shelf.messages.timeline = timeline
    shelf.messages.chats.open_direct(timeline.chat_id, members=(ANA, BO), at=NOW)
    archive = Archive(data=shelf.data, messages=shelf.messages)
    with tempfile.TemporaryFile() as file:
        tracemalloc.start()
        archive.write(ANA, file, seconds=600)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        with ZipFile(file) as found:
            size = found.getinfo("messages.json").file_size

    assert size > 8_000_000
    assert peak < 3_000_000
