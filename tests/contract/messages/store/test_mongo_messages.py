"""What only MongoDB has: two documents for each change, entries in the chat, round trips."""

import os
import signal
import traceback
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError

from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store.mongo import timeline
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.wire import now
from tests.contract.messages.store.mongo import COMMANDS, Death, MongoAt, dies_before_storing
from tests.contract.messages.store.room import TEXTS, Room
from tests.messaging import made

LATER = timedelta(minutes=1)


@pytest.fixture
def store(mongo_store_url: str, mongo_at: MongoAt) -> MongoStore:
    return mongo_at(mongo_store_url)


def test_a_send_whose_connection_breaks_in_the_middle_completes_itself(
    room: Room, store: MongoStore, other: MongoStore
) -> None:
    new = room.new(room.ana)
    insert, broken = store._db.messages.insert_one, ["once"]

    def insert_one(document: dict[str, Any]) -> object:
        if broken:
            raise AutoReconnect(broken.pop())
        return insert(document)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._db.messages, "insert_one", insert_one)
        sent = store.timeline.append(new, unanswered=3)

    assert sent is not None
    assert (sent.created, sent.pending) == (True, True)
    assert room.all(other) == [sent.message]


class TestASenderThatDied:
    """Between the outbox and the message. The next reader or sender completes its work."""

    @pytest.fixture
    def left(self, room: Room, store: MongoStore) -> NewMessage:
        room.say(room.ana, "before")
        left = room.new(room.ana, "left behind")
        dies_before_storing(store, left)
        return left

    def test_is_completed_by_changes(self, room: Room, other: MongoStore, left: NewMessage) -> None:
        changes = other.timeline.changes(room.id, member=room.bo, since=1, limit=9)

        assert changes is not None
        assert (changes.items, changes.rev) == ([left.at(2)], 2)

    def test_is_completed_by_history(self, room: Room, other: MongoStore, left: NewMessage) -> None:
        assert other.timeline.history(room.id, member=room.bo, before=None, limit=1) == [left.at(2)]

    def test_is_completed_by_looking_at_the_chat(
        self, room: Room, other: MongoStore, left: NewMessage
    ) -> None:
        chat = other.chats.get(room.id, member=room.bo)

        assert chat is not None
        assert (chat.last_message, chat.unread_count) == (left.at(2), 2)
        assert other.chats.page(room.bo, limit=9) == [chat]

    def test_is_completed_by_asking_for_what_is_undelivered(
        self, room: Room, other: MongoStore, left: NewMessage
    ) -> None:
        assert other.timeline.undelivered(room.id, member=room.bo, since=2, until=2, limit=9) == [
            left.at(2)
        ]

    def test_is_completed_by_the_job_and_settled(
        self, room: Room, other: MongoStore, left: NewMessage
    ) -> None:
        [pending] = other.outbox.pending(before=now() + LATER, limit=9)
        other.outbox.settle(pending)

        assert pending.newest == left.at(2)
        assert other.outbox.pending(before=now() + LATER, limit=9) == []
        chat = other.chats.get(room.id, member=room.bo)
        assert chat is not None
        assert chat.last_message == left.at(2)

    def test_is_completed_by_a_resend(
        self, room: Room, other: MongoStore, left: NewMessage
    ) -> None:
        again = room.append(left.model_copy(update={"id": new_id()}), other)

        assert again.message == left.at(2)
        assert (again.created, again.pending) == (False, True)

    def test_is_completed_once_by_all_of_them(
        self, room: Room, other: MongoStore, left: NewMessage
    ) -> None:
        for _ in range(2):
            room.append(left.model_copy(update={"id": new_id()}), other)
            other.outbox.pending(before=now() + LATER, limit=9)
            other.timeline.changes(room.id, member=room.bo, since=0, limit=9)
            other.chats.page(room.bo, limit=9)

        assert [message.id for message in room.all()][1:] == [left.id]
        assert room.append(room.new(room.bo)).message.rev == 3


def test_a_reader_may_store_a_message_before_its_sender_does(
    room: Room, store: MongoStore, other: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_one = store._db.messages.insert_one

    def late(document: dict[str, Any]) -> object:
        for one in other.outbox.pending(before=now() + LATER, limit=9):
            other.outbox.settle(one)
        return insert_one(document)

    monkeypatch.setattr(store._db.messages, "insert_one", late)
    new = room.new(room.ana)

    stored = room.append(new)

    assert stored.created
    assert stored.message == new.at(1)
    assert room.all() == [new.at(1)]


def test_a_sender_whose_message_was_deleted_before_it_stored_it_gets_it_deleted(
    room: Room, store: MongoStore, other: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_one = store._db.messages.insert_one

    def late(document: dict[str, Any]) -> object:
        assert other.timeline.revise(room.id, 1, member=room.ana, content=None) is not None
        return insert_one(document)

    monkeypatch.setattr(store._db.messages, "insert_one", late)

    stored = room.append(room.new(room.ana))

    assert (stored.created, stored.message.content) == (True, None)
    assert (stored.change.rev, stored.change.new_message) == (1, stored.message)


@pytest.mark.parametrize(
    ("collection", "method"), [("events", "replace_one"), ("chats", "update_one")]
)
def test_a_function_that_dies_while_settling_leaves_the_message_pending(
    room: Room, store: MongoStore, monkeypatch: pytest.MonkeyPatch, collection: str, method: str
) -> None:
    message = room.append(room.new(room.ana)).message

    def die(*_: object, **__: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(getattr(store._db, collection), method, die)
        with pytest.raises(Death):
            store.outbox.settle(made(message), published=False)

    [pending] = store.outbox.pending(before=now() + LATER, limit=9)
    assert pending.newest == message
    store.outbox.settle(made(message), published=False)
    assert ChatEvent.of(message) in store.outbox.unpublished(limit=9)


def test_a_chat_that_an_older_version_made_has_no_event_and_its_messages_have(
    room: Room, store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    database.chats.update_one({"_id": room.id}, {"$unset": {"unpublished": ""}})
    message = room.append(room.new(room.ana)).message

    store.outbox.settle(made(message), published=False)

    assert store.outbox.unpublished(limit=9) == [ChatEvent.of(message)]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_in_an_outbox_is_kept_to_the_letter(
    room: Room, store: MongoStore, other: MongoStore, text: str
) -> None:
    left = room.new(room.ana, text, client_id="$$ROOT")
    dies_before_storing(store, left)

    assert room.all(other) == [left.at(1)]


def test_a_resend_leaves_nothing_in_the_outbox(
    room: Room, store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    first = room.new(room.ana)
    store.outbox.settle(made(room.append(first).message))

    room.append(first.model_copy(update={"id": new_id()}))

    assert database.chats.find_one({"outbox": {"$exists": True}}) is None


class TestAResendThatDied:
    """It has taken a place for a message that was stored and settled long before."""

    @pytest.fixture
    def first(self, room: Room, store: MongoStore) -> NewMessage:
        first = room.new(room.ana)
        store.outbox.settle(made(room.append(first).message))
        room.say(room.bo)
        dies_before_storing(store, first.model_copy(update={"id": new_id()}))
        return first

    def test_shows_nothing_twice(self, room: Room, other: MongoStore, first: NewMessage) -> None:
        changes = other.timeline.changes(room.id, member=room.bo, since=0, limit=9)
        chat = other.chats.get(room.id, member=room.bo)

        assert changes is not None
        assert [message.rev for message in changes.items] == [1, 2]
        assert (changes.rev, changes.more) == (3, False)
        assert chat is not None
        assert chat.last_message == changes.items[1]
        assert len(room.all(other)) == 2

    def test_can_be_repeated(self, room: Room, other: MongoStore, first: NewMessage) -> None:
        again = room.append(first.model_copy(update={"id": new_id()}), other)

        assert again.message == first.at(1)
        assert not again.created

    def test_is_forgotten_by_the_job(
        self,
        room: Room,
        other: MongoStore,
        first: NewMessage,
        database: Database[dict[str, Any]],
    ) -> None:
        assert other.outbox.pending(before=now() + LATER, limit=9) == []

        assert database.chats.find_one({"outbox": {"$exists": True}}) is None


def test_a_chat_with_too_much_unsettled_takes_no_more_until_it_is(
    room: Room, store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "OUTBOX_LIMIT", 5)
    news = [room.new(room.ana) for _ in range(5)]
    stored = [room.append(new).message for new in news]

    with pytest.raises(Unavailable):
        store.timeline.append(room.new(room.bo), unanswered=3)
    assert room.append(news[0]).message == stored[0]
    assert store.timeline.append(room.new(room.zoe), unanswered=3) is None
    chat = store.chats.get(room.id, member=room.bo)
    assert chat is not None
    assert (chat.last_rev, chat.last_message) == (5, stored[-1])
    store.outbox.settle(made(stored[0]))
    assert room.append(room.new(room.bo)).message.rev == 6


def test_g1_no_answer_rests_on_what_a_crash_would_take_back(room: Room) -> None:
    COMMANDS.clear()

    room.say(room.ana)
    room.all()

    concerns = [
        (command.get("writeConcern"), command.get("readConcern")) for command in COMMANDS.whole
    ]
    on_disk, from_disk = {"w": "majority", "j": True}, {"level": "majority"}
    assert concerns[:3] == [(on_disk, None)] * 3
    assert set(map(str, concerns[3:])) == {str((None, from_disk))}


def test_g1_a_message_whose_place_is_taken_is_not_acknowledged_until_it_has_another(
    room: Room, store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    """As after a server that confirmed a counter and then went back on it."""
    first = room.say(room.ana)
    database.chats.update_one({"_id": room.id}, {"$set": {"last_rev": 0}})
    new = room.new(room.bo)

    for _ in range(2):
        with pytest.raises(Unavailable):
            store.timeline.append(new, unanswered=3)
    assert store.outbox.pending(before=now() + LATER, limit=9) == []

    assert room.append(new).message == new.at(2)
    assert room.all() == [first, new.at(2)]


def test_g8_g9_a_failover_while_a_reader_repairs_is_unavailable_and_quotes_nothing(
    room: Room, store: MongoStore, other: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before_storing(store, room.new(room.ana, "between us"))

    def step_down(documents: list[dict[str, Any]], **_: object) -> None:
        primary = {"code": 11602, "errmsg": "primary stepped down"}
        raise BulkWriteError({"writeErrors": [], "writeConcernErrors": [primary], "op": documents})

    with monkeypatch.context() as patch:
        patch.setattr(other._db.messages, "insert_many", step_down)
        with pytest.raises(Unavailable) as raised:
            room.all(other)
    assert "between us" not in "".join(traceback.format_exception(raised.value))
    assert len(room.all(other)) == 1


def test_a_forked_child_uses_the_store_of_its_parent(room: Room, store: MongoStore) -> None:
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        found = store.chats.get(room.id, member=room.ana) is not None
        os._exit(0 if found and store.timeline.append(room.new(room.ana), unanswered=3) else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(room.all()) == 1
    assert room.append(room.new(room.bo)).message.rev == 2


def test_indexes_are_made_once_and_are_what_the_queries_need(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    store.create_indexes()

    assert {
        (name, tuple(index["key"]))
        for name in ("chats", "messages")
        for index in database[name].list_indexes()
    } == {
        ("chats", ("_id",)),
        ("chats", ("member_ids",)),
        ("chats", ("outbox.created_at",)),
        ("chats", ("changes.created_at",)),
        ("chats", ("unpublished",)),
        ("messages", ("_id",)),
        ("messages", ("chat_id", "seq")),
        ("messages", ("chat_id", "rev")),
        ("messages", ("chat_id", "sender_id", "client_id")),
    }
