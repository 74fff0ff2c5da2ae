"""What is particular to MongoDB: two documents a message, an outbox, round trips."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient, monitoring
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError

from chalicelib.errors import Unavailable
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import NewMessage
from chalicelib.messages.store.mongo import timeline
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.wire import now
from tests.contract.messages.store.room import TEXTS, Room

LATER = timedelta(minutes=1)
MongoAt = Callable[[str], MongoStore]


class Commands(monitoring.CommandListener):
    """The commands sent, by every client made after `monitoring.register`, and their names."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.whole: list[Mapping[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(event.command_name)
        self.whole.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


COMMANDS = Commands()
monitoring.register(COMMANDS)


@pytest.fixture
def store(mongo_store_url: str, mongo_at: MongoAt) -> MongoStore:
    return mongo_at(mongo_store_url)


@pytest.fixture
def other(mongo_store_url: str, mongo_at: MongoAt) -> MongoStore:
    """The store of another process."""
    return mongo_at(mongo_store_url)


@pytest.fixture
def database(mongo_store_url: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_store_url) as client:
        yield client.get_default_database()


class Death(Exception):
    """Of the process that sends."""


def dies_before_storing(store: MongoStore, new: NewMessage) -> None:
    """Its place is taken and it is in the outbox; then it dies."""

    def die(document: object) -> None:
        raise Death

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._db.messages, "insert_one", die)
        with pytest.raises(Death):
            store.timeline.append(new, unanswered=3)


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
        other.outbox.settle(pending.message)

        assert pending.message == left.at(2)
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
            other.outbox.settle(one.message)
        return insert_one(document)

    monkeypatch.setattr(store._db.messages, "insert_one", late)
    new = room.new(room.ana)

    stored = room.append(new)

    assert stored.created
    assert stored.message == new.at(1)
    assert room.all() == [new.at(1)]


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
            store.outbox.settle(message, published=False)

    [pending] = store.outbox.pending(before=now() + LATER, limit=9)
    assert pending.message == message
    store.outbox.settle(message, published=False)
    assert ChatEvent.of(message) in store.outbox.unpublished(limit=9)


def test_a_chat_that_an_older_version_made_has_no_event_and_its_messages_have(
    room: Room, store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    database.chats.update_one({"_id": room.id}, {"$unset": {"unpublished": ""}})
    message = room.append(room.new(room.ana)).message

    store.outbox.settle(message, published=False)

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
    store.outbox.settle(room.append(first).message)

    room.append(first.model_copy(update={"id": new_id()}))

    assert database.chats.find_one({"outbox": {"$exists": True}}) is None


class TestAResendThatDied:
    """It has taken a place for a message that was stored and settled long before."""

    @pytest.fixture
    def first(self, room: Room, store: MongoStore) -> NewMessage:
        first = room.new(room.ana)
        store.outbox.settle(room.append(first).message)
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
    store.outbox.settle(stored[0])
    assert room.append(room.new(room.bo)).message.rev == 6


def test_g1_no_answer_rests_on_what_a_crash_would_take_back(room: Room) -> None:
    COMMANDS.whole.clear()

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


def test_a_quiet_chat_has_no_outbox(room: Room, database: Database[dict[str, Any]]) -> None:
    room.say(room.ana)

    chat = database.chats.find_one({"_id": room.id})

    assert chat is not None
    assert "outbox" not in chat


class TestRoundTrips:
    @pytest.mark.parametrize("size", [2, 1024])
    def test_of_a_send_are_three_however_many_the_members(
        self,
        room: Room,
        store: MongoStore,
        database: Database[dict[str, Any]],
        size: int,
    ) -> None:
        more = [new_id() for _ in range(size - 2)]
        database.chats.update_one({"_id": room.id}, {"$push": {"member_ids": {"$each": more}}})
        store.ping()
        COMMANDS.sent.clear()

        stored = room.append(room.new(room.ana))
        appending = COMMANDS.sent[:]
        store.outbox.settle(stored.message)

        assert len(stored.member_ids) == size
        assert appending == ["findAndModify", "insert"]
        assert COMMANDS.sent == ["findAndModify", "insert", "update"]

    def test_of_reading_are_few_however_many_the_chats(self, store: MongoStore) -> None:
        ana = new_id()
        for _ in range(20):
            room = Room(store)
            room.id, room.ana = direct_chat_id(ana, room.bo), ana
            store.chats.open_direct(room.id, members=(ana, room.bo), at=now())
            room.say(room.bo)
        COMMANDS.sent.clear()

        chats = store.chats.page(ana, limit=50)

        assert len(chats) == 20
        assert COMMANDS.sent == ["find", "find", "find", "aggregate"]

    def test_of_catching_up_are_two_and_one_more_while_messages_are_under_way(
        self, room: Room, store: MongoStore
    ) -> None:
        room.say(room.ana)
        COMMANDS.sent.clear()
        store.timeline.changes(room.id, member=room.bo, since=0, limit=50)
        store.timeline.history(room.id, member=room.bo, before=None, limit=50)

        assert COMMANDS.sent == ["find"] * 4

        room.append(room.new(room.ana))
        COMMANDS.sent.clear()
        store.timeline.changes(room.id, member=room.bo, since=0, limit=50)

        assert COMMANDS.sent == ["find"] * 3


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
        ("chats", ("unpublished",)),
        ("messages", ("_id",)),
        ("messages", ("chat_id", "seq")),
        ("messages", ("chat_id", "rev")),
        ("messages", ("chat_id", "sender_id", "client_id")),
    }
