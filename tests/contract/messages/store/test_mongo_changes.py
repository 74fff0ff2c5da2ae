"""What functions leave in MongoDB that die while they change a chat, and who completes it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store.mongo import changes
from chalicelib.messages.store.mongo.completing import add_change, apply_versions, completed
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.wire import now
from tests.contract.messages.store.mongo import Death, MongoAt, dies_before_storing
from tests.contract.messages.store.room import Room
from tests.messaging import says, text_of

LATER = timedelta(minutes=1)


@pytest.fixture
def store(mongo_store_url: str, mongo_at: MongoAt) -> MongoStore:
    return mongo_at(mongo_store_url)


def edited(store: MongoStore, room: Room, message: Message, text: str) -> Message:
    change = store.timeline.revise(room.id, message.seq, member=room.ana, content=says(text))
    assert change is not None
    assert isinstance(change.newest, Message)
    return change.newest


def dies_before_applying(
    store: MongoStore, room: Room, seq: int, content: TextContent | None
) -> None:
    """A function dies when the version has its rev and waits in the chat."""

    def die(*_: object, **__: object) -> None:
        raise Death

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._db.messages, "find_one_and_update", die)
        with pytest.raises(Death):
            store.timeline.revise(room.id, seq, member=room.ana, content=content)


def placed(
    store: MongoStore, room: Room, message: Message, content: TextContent | None
) -> list[dict[str, Any]]:
    """The entries in the chat after a function took a rev for a new version. The function had read
    the message before others changed it, and has not applied its version."""
    entry = changes.version_entry({"_id": message.id, "seq": message.seq}, content, new_id())
    chat = add_change(store._db, room.id, member=room.ana, entry=entry)
    assert chat is not None
    waiting: list[dict[str, Any]] = chat["changes"]
    return waiting


def _only(messages: list[Message] | None) -> Message:
    assert messages is not None
    [message] = messages
    return message


def _page(store: MongoStore, room: Room) -> list[Message]:
    page = store.timeline.changes(room.id, member=room.bo, since=2, limit=9)
    assert page is not None
    assert (page.rev, page.more) == (3, False)
    return page.items


def _last(chat: Chat | None) -> Message | None:
    assert chat is not None
    return chat.last_message


def _pending(store: MongoStore) -> Message:
    change = store.outbox.pending(before=now() + LATER, limit=9)[-1]
    assert change.rev == 3
    assert isinstance(change.newest, Message)
    return change.newest


READERS: dict[str, Callable[[MongoStore, Room], Message | None]] = {
    "history": lambda s, r: _only(s.timeline.history(r.id, member=r.bo, before=None, limit=1)),
    "changes": lambda s, r: _only(_page(s, r)),
    "get": lambda s, r: _last(s.chats.get(r.id, member=r.bo)),
    "page": lambda s, r: _last(*s.chats.page(r.bo, limit=9)),
    "news": lambda s, r: _last(*s.chats.news(r.bo, {}, limit=9)),
    "undelivered": lambda s, r: _only(
        s.timeline.undelivered(r.id, member=r.bo, since=2, until=2, limit=9)
    ),
    "pending": lambda s, r: _pending(s),
}


class TestARevisionThatDied:
    """Between the chat and the message. The next reader or writer completes its work."""

    @pytest.fixture
    def message(self, room: Room) -> Message:
        room.say(room.ana, "before")
        return room.say(room.ana, "first")

    @pytest.fixture
    def left(self, room: Room, store: MongoStore, message: Message) -> Message:
        """The message, as it will be."""
        dies_before_applying(store, room, message.seq, says("second"))
        return message.model_copy(update={"rev": 3, "content": says("second")})

    @pytest.mark.parametrize("reader", READERS)
    def test_is_completed_by_readers(
        self, room: Room, other: MongoStore, left: Message, reader: str
    ) -> None:
        for _ in range(2):
            found = READERS[reader](other, room)
            assert found is not None
            assert found.edited_at is not None
            assert found.model_copy(update={"edited_at": None}) == left

    @pytest.mark.parametrize("reader", READERS)
    def test_of_a_message_whose_sender_died_too_is_completed_by_readers(
        self, room: Room, store: MongoStore, other: MongoStore, reader: str
    ) -> None:
        room.say(room.ana, "before")
        dies_before_storing(store, room.new(room.ana, "first"))
        dies_before_applying(store, room, 2, says("second"))

        found = READERS[reader](other, room)

        assert found is not None
        assert (found.seq, found.rev, text_of(found)) == (2, 3, "second")

    def test_is_completed_by_the_next_revision(
        self, room: Room, other: MongoStore, left: Message
    ) -> None:
        third = edited(other, room, left, "third")

        assert (third.rev, text_of(third)) == (4, "third")
        assert room.all()[-1] == third
        revs = [one.rev for one in other.outbox.pending(before=now() + LATER, limit=9)]
        assert revs == [3, 4]

    def test_is_completed_by_a_resend_of_the_message(
        self, room: Room, store: MongoStore, other: MongoStore
    ) -> None:
        new = room.new(room.ana, "first")
        room.append(new)
        dies_before_applying(store, room, 1, says("second"))

        again = room.append(new.model_copy(update={"id": new_id()}), other)

        assert (again.message.rev, text_of(again.message)) == (2, "second")
        assert (again.created, again.pending) == (False, True)

    def test_of_a_deletion_is_not_unread(
        self, room: Room, store: MongoStore, other: MongoStore, message: Message
    ) -> None:
        dies_before_applying(store, room, 1, None)

        [chat] = other.chats.page(room.bo, limit=9)

        assert (chat.unread_count, chat.last_message) == (1, message)

    def test_of_a_deletion_lets_nobody_revise_the_message(
        self, room: Room, store: MongoStore, other: MongoStore, message: Message
    ) -> None:
        dies_before_applying(store, room, message.seq, None)

        assert (
            other.timeline.revise(room.id, message.seq, member=room.ana, content=says("x")) is None
        )

    def test_is_settled_once_by_the_job(
        self, room: Room, other: MongoStore, left: Message, database: Database[dict[str, Any]]
    ) -> None:
        [change] = other.outbox.pending(before=now() + LATER, limit=9)
        for _ in range(2):
            other.outbox.settle(change)

        assert other.outbox.pending(before=now() + LATER, limit=9) == []
        assert database.chats.find_one({"changes": {"$exists": True}}) is None
        assert room.all(other)[-1] == change.newest

    def test_before_it_took_a_rev_has_changed_nothing(
        self, room: Room, store: MongoStore, other: MongoStore, message: Message
    ) -> None:
        def die(*_: object, **__: object) -> None:
            raise Death

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store._db.chats, "find_one_and_update", die)
            with pytest.raises(Death):
                store.timeline.revise(room.id, message.seq, member=room.ana, content=says("x"))

        chat = other.chats.get(room.id, member=room.bo)
        assert chat is not None
        assert (chat.last_rev, chat.last_message) == (2, message)
        assert other.outbox.pending(before=now() + LATER, limit=9) == []


class TestVersionsInAnyOrder:
    """A function may stop between any two steps, and go on much later."""

    @pytest.fixture
    def message(self, room: Room) -> Message:
        return room.say(room.ana, "first")

    @pytest.mark.parametrize("order", [(0, 1), (1, 0), (1,)])
    def test_two_revisions_end_with_the_newer_one(
        self, room: Room, store: MongoStore, message: Message, order: tuple[int, ...]
    ) -> None:
        waiting = [placed(store, room, message, says(text)) for text in ("second", "third")]

        for number in order:
            apply_versions(store._db, message.id, waiting[number])

        [found] = room.all()
        assert (found.rev, text_of(found)) == (3, "third")

    @pytest.mark.parametrize("order", [(0, 1), (1, 0), (1,)])
    def test_an_edit_after_a_deletion_takes_only_a_rev(
        self, room: Room, store: MongoStore, message: Message, order: tuple[int, ...]
    ) -> None:
        waiting = [placed(store, room, message, content) for content in (None, says("second"))]

        for number in order:
            apply_versions(store._db, message.id, waiting[number])

        [found] = room.all()
        assert (found.rev, found.content, found.edited_at) == (3, None, None)
        assert found.deleted_at == waiting[0][0]["created_at"]

    def test_a_second_deletion_keeps_the_time_of_the_first(
        self, room: Room, store: MongoStore, message: Message
    ) -> None:
        waiting = [placed(store, room, message, None) for _ in range(2)]

        [found] = room.all()

        assert (found.rev, found.deleted_at) == (3, waiting[0][0]["created_at"])

    def test_a_page_of_the_job_begins_after_an_older_version(
        self, room: Room, store: MongoStore, message: Message
    ) -> None:
        """The older one must be applied too."""
        [deletion] = placed(store, room, message, None)
        placed(store, room, message, says("second"))
        first = (deletion["created_at"], room.id, deletion["rev"])

        [change] = store.outbox.pending(before=now() + LATER, after=first, limit=9)

        assert isinstance(change.newest, Message)
        assert (change.rev, change.newest.rev, change.newest.content) == (3, 3, None)

    def test_a_reader_with_an_old_view_of_the_chat_changes_nothing(
        self, room: Room, store: MongoStore, other: MongoStore, message: Message
    ) -> None:
        waiting = placed(store, room, message, says("second"))
        views = [other._db.chat(room.id, room.bo), {"changes": waiting}]
        third = edited(store, room, message, "third")
        for change in store.outbox.pending(before=now() + LATER, limit=9):
            store.outbox.settle(change)

        for view in views:
            assert view is not None
            found = completed(other._db, [view], also=[message.id])
            assert found[message.id]["rev"] == third.rev
        apply_versions(other._db, message.id, waiting)

        assert room.all() == [third]

    def test_a_reader_shows_a_version_that_is_settled_while_it_looks(
        self,
        room: Room,
        store: MongoStore,
        other: MongoStore,
        message: Message,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        placed(store, room, message, says("second"))
        find = other._db.chats.find

        def late(*arguments: Any) -> object:
            for change in store.outbox.pending(before=now() + LATER, limit=9):
                store.outbox.settle(change)
            return find(*arguments)

        monkeypatch.setattr(other._db.chats, "find", late)

        [found] = room.all(other)

        assert (found.rev, text_of(found)) == (2, "second")

    @pytest.mark.parametrize("content", [says("second"), None])
    @pytest.mark.parametrize("collection", ["chats", "messages"])
    def test_a_revision_whose_answer_is_lost_completes_itself_under_one_rev(
        self,
        room: Room,
        store: MongoStore,
        message: Message,
        content: TextContent | None,
        collection: str,
    ) -> None:
        target = getattr(store._db, collection)
        update, broken = target.find_one_and_update, ["once"]

        def find_one_and_update(*arguments: Any, **options: Any) -> object:
            found = update(*arguments, **options)
            if broken:
                raise AutoReconnect(broken.pop())
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(target, "find_one_and_update", find_one_and_update)
            change = store.timeline.revise(room.id, message.seq, member=room.ana, content=content)

        assert change is not None
        assert (change.rev, [change.newest]) == (2, room.all())
        assert sorted(change.member_ids) == sorted([room.ana, room.bo])
        [pending] = store.outbox.pending(before=now() + LATER, limit=9)
        assert (pending.rev, pending.at) == (2, change.at)


def test_a_chat_with_too_many_unsettled_changes_takes_no_more_until_one_is_settled(
    room: Room, store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "CHANGES_LIMIT", 3)
    message = room.say(room.ana)
    first = store.chats.rename(room.id, member=room.ana, title="Us")
    assert first is not None
    edited(store, room, message, "second")
    third = edited(store, room, message, "third")

    with pytest.raises(Unavailable):
        store.timeline.revise(room.id, message.seq, member=room.ana, content=None)
    with pytest.raises(Unavailable):
        store.chats.rename(room.id, member=room.ana, title="You")
    assert store.timeline.revise(room.id, message.seq, member=room.zoe, content=None) is None
    assert store.chats.rename(room.id, member=room.zoe, title="You") is None
    assert room.all() == [third]
    assert room.say(room.bo).rev == 5
    store.outbox.settle(first)
    assert edited(store, room, message, "fourth").rev == 6


def test_a_version_whose_message_the_server_lost_does_not_stop_the_job(
    room: Room, store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    lost, kept = room.say(room.ana), room.say(room.ana)
    for message in (lost, kept):
        edited(store, room, message, "second")
    database.messages.delete_one({"_id": lost.id})

    for _ in range(2):
        [change] = store.outbox.pending(before=now() + LATER, limit=9)
        assert change.rev == 4

    chat = database.chats.find_one({"_id": room.id})
    assert chat is not None
    assert [entry["rev"] for entry in chat["changes"]] == [4]
