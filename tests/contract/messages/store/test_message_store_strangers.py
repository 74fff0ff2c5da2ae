"""What every message store keeps between people who have not both written yet."""

from collections.abc import Callable

import pytest

from chalicelib.errors import NotAnswered
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.wire import now
from tests.contract.messages.store.at_once import at_once
from tests.contract.messages.store.room import Connect, Room
from tests.messaging import made, text_of

LIMIT = 3


def sent(room: Room, new: NewMessage, store: MessageStore | None = None) -> bool:
    """Whether it was taken."""
    try:
        return (store or room.store).timeline.append(new, unanswered=LIMIT) is not None
    except NotAnswered:
        return False


def views(room: Room, member: str) -> list[Chat]:
    """The chat by every way to it."""
    chat = room.store.chats.get(room.id, member=member)
    assert chat is not None
    opened, _ = room.store.chats.open_direct(
        room.id, members=(member, room.bo if member == room.ana else room.ana), at=now()
    )
    return [
        chat,
        opened,
        *room.store.chats.page(member, limit=9),
        *room.store.chats.news(member, {room.id: -1}, limit=9),
    ]


def receipts(room: Room, member: str) -> set[tuple[str, int, int]]:
    """What a member sees of everybody's receipts."""
    found = views(room, member)
    assert len(found) == 4
    members = room.store.chats.members(room.id, member=member, limit=9)
    assert members is not None
    listed = {(one.user_id, one.read_seq, one.delivered_seq) for one in members}
    for chat in found:
        assert chat.partner is not None
        mine = (member, chat.me.read_seq, chat.me.delivered_seq)
        other = (chat.partner.user_id, chat.partner.read_seq, chat.partner.delivered_seq)
        assert {mine, other} == listed
    return listed


class TestBeforeAnAnswer:
    def test_a_sender_has_so_many_messages_and_no_more(self, room: Room) -> None:
        taken = [sent(room, room.new(room.ana, str(number))) for number in range(5)]

        assert taken == [True, True, True, False, False]
        assert [text_of(one) for one in room.all()] == ["0", "1", "2"]

    def test_what_is_refused_leaves_no_trace(self, room: Room) -> None:
        for _ in range(LIMIT):
            sent(room, room.new(room.ana))
        before = room.store.chats.get(room.id, member=room.bo)

        with pytest.raises(NotAnswered):
            room.store.timeline.append(room.new(room.ana), unanswered=LIMIT)

        assert room.store.chats.get(room.id, member=room.bo) == before

    def test_a_stranger_to_the_chat_learns_nothing_of_it(self, room: Room) -> None:
        for _ in range(LIMIT):
            sent(room, room.new(room.ana))

        assert room.store.timeline.append(room.new(room.zoe), unanswered=LIMIT) is None

    @pytest.mark.parametrize("settled", [False, True])
    def test_a_resend_is_answered_and_counts_once(self, room: Room, settled: bool) -> None:
        first = room.new(room.ana, client_id="$x")
        for _ in range(9):
            stored = room.store.timeline.append(
                first.model_copy(update={"id": new_id()}), unanswered=LIMIT
            )
            assert stored is not None
            if settled:
                room.store.outbox.settle(made(stored.message))
        assert sent(room, room.new(room.ana))
        assert sent(room, room.new(room.ana))
        assert not sent(room, room.new(room.ana))

        again = room.store.timeline.append(
            first.model_copy(update={"id": new_id()}), unanswered=LIMIT
        )

        assert again is not None
        assert (again.created, again.message.client_id) == (False, "$x")
        assert again.message == room.all()[0]
        assert len(room.all()) == LIMIT

    def test_nobody_sees_what_the_other_does(self, room: Room) -> None:
        sent(room, room.new(room.ana))
        moved = room.store.cursors.move(room.id, member=room.bo, read=1)
        own = room.store.cursors.move(room.id, member=room.ana, read=1)

        assert moved is not None
        assert own is not None
        assert (moved.moved, moved.answered, moved.seen_by) == (True, False, [room.bo])
        assert (own.answered, own.seen_by) == (False, [room.ana])
        assert receipts(room, room.ana) == {(room.ana, 1, 1), (room.bo, 0, 0)}
        assert receipts(room, room.bo) == {(room.ana, 0, 0), (room.bo, 1, 1)}
        for member, other in ((room.ana, room.bo), (room.bo, room.ana)):
            assert room.store.cursors.observers(room.id, member=member) == []
            assert room.store.chats.acquainted(member, [other]) == set()
            assert not any(chat.answered for chat in views(room, member))
        here = (room.id, room.bo)
        assert room.store.cursors.of([here])[here] == moved._replace(moved=False)

    def test_an_empty_chat_is_not_answered(self, room: Room) -> None:
        assert receipts(room, room.bo) == {(room.ana, 0, 0), (room.bo, 0, 0)}
        assert room.store.cursors.observers(room.id, member=room.ana) == []
        assert room.store.chats.acquainted(room.ana, [room.bo]) == set()

    def test_another_chat_does_not_count(self, room: Room) -> None:
        other = Room(room.store)
        other.id = direct_chat_id(room.bo, room.zoe)
        other.store.chats.open_direct(other.id, members=(room.bo, room.zoe), at=now())
        other.say(room.bo)
        other.say(room.zoe)

        assert [sent(room, room.new(room.ana)) for _ in range(4)] == [True, True, True, False]
        assert room.store.chats.acquainted(room.ana, [room.bo, room.zoe]) == set()


class TestAnAnswer:
    def test_opens_the_chat_both_ways(self, room: Room) -> None:
        for _ in range(LIMIT):
            sent(room, room.new(room.ana))
        room.store.cursors.move(room.id, member=room.bo, read=2, delivered=3)

        assert sent(room, room.new(room.bo))

        assert all(sent(room, room.new(room.ana)) for _ in range(2 * LIMIT))
        assert all(sent(room, room.new(room.bo)) for _ in range(2 * LIMIT))
        moved = room.store.cursors.move(room.id, member=room.ana, read=1)
        assert moved is not None
        assert (moved.answered, sorted(moved.seen_by)) == (True, sorted([room.ana, room.bo]))
        for member, other in ((room.ana, room.bo), (room.bo, room.ana)):
            assert receipts(room, member) == {(room.ana, 1, 1), (room.bo, 2, 3)}
            assert room.store.cursors.observers(room.id, member=member) == [other]
            assert room.store.chats.acquainted(member, [other]) == {other}
            assert all(chat.answered for chat in views(room, member))

    def test_that_is_not_settled_yet_counts(self, room: Room) -> None:
        room.append(room.new(room.ana))
        room.append(room.new(room.bo))

        assert room.store.chats.acquainted(room.ana, [room.bo]) == {room.bo}


def test_concurrent_senders_do_not_exceed_the_limit(connect: Connect) -> None:
    for _ in range(10):
        room = Room(connect())

        def send(number: int, store: MessageStore, room: Room = room) -> int:
            return sum(sent(room, room.new(room.ana), store) for _ in range(2))

        assert sum(at_once(connect, send)) == LIMIT
        assert len(room.all()) == LIMIT


def test_racers_from_both_sides_open_the_chat(connect: Connect) -> None:
    for _ in range(10):
        room = Room(connect())

        def send(number: int, store: MessageStore, room: Room = room) -> list[bool]:
            sender = room.bo if number % 2 else room.ana
            return [sent(room, room.new(sender), store) for _ in range(4)]

        taken = at_once(connect, send)

        assert sum(map(sum, taken)) == len(room.all())
        assert all(sum(map(sum, taken[side::2])) >= LIMIT for side in (0, 1))
        assert sent(room, room.new(room.ana)) == sent(room, room.new(room.bo)) is True
        assert room.store.chats.acquainted(room.ana, [room.bo]) == {room.bo}


class TestMongoChatsOfAnOlderVersion:
    """They say nothing of who has written."""

    @pytest.fixture
    def store(self, mongo_store_url: str, mongo_at: Callable[[str], MongoStore]) -> MongoStore:
        return mongo_at(mongo_store_url)

    @pytest.fixture
    def older(self, store: MongoStore) -> Callable[[Room], None]:
        def forget(room: Room) -> None:
            fields = {"asked": "", "asked_by": "", "answered": ""}
            store._db.chats.update_one({"_id": room.id}, {"$unset": fields})

        return forget

    def test_are_answered_if_both_wrote(
        self, store: MongoStore, older: Callable[[Room], None]
    ) -> None:
        rooms = [Room(store) for _ in range(5)]
        for room in rooms:
            for number in range(9):
                room.say((room.ana, room.bo)[number % 2])
            older(room)

        store.note_all_writers(LIMIT)

        for room in rooms:
            assert store.chats.acquainted(room.ana, [room.bo]) == {room.bo}
            assert sent(room, room.new(room.ana))

    @pytest.mark.parametrize("looked", [False, True])
    def test_are_not_answered_if_one_wrote(
        self, store: MongoStore, older: Callable[[Room], None], looked: bool
    ) -> None:
        room, empty = Room(store), Room(store)
        room.say(room.ana)
        again = room.append(room.new(room.ana, client_id="x")).message
        older(room)
        older(empty)

        if looked:
            store.note_all_writers(LIMIT)

        assert store.chats.acquainted(room.ana, [room.bo]) == set()
        resent = store.timeline.append(room.new(room.ana, client_id="x"), unanswered=LIMIT)
        assert resent is not None
        assert resent.message == again
        assert [sent(room, room.new(room.ana)) for _ in range(2)] == [True, False]
        assert sent(room, room.new(room.bo))
        assert [sent(empty, empty.new(empty.bo)) for _ in range(4)] == [True, True, True, False]

    def test_that_are_answered_accept_messages_at_once(
        self, store: MongoStore, older: Callable[[Room], None]
    ) -> None:
        room = Room(store)
        for number in range(9):
            room.say((room.ana, room.bo)[number % 2])
        older(room)

        assert sent(room, room.new(room.ana))
        assert store.chats.acquainted(room.ana, [room.bo]) == {room.bo}

    def test_that_an_older_version_answered_are_answered(
        self, store: MongoStore, older: Callable[[Room], None]
    ) -> None:
        """While a new version is rolled out, both write."""
        room = Room(store)
        for _ in range(LIMIT):
            sent(room, room.new(room.ana))
        sent(room, room.new(room.bo))
        store._db.chats.update_one({"_id": room.id}, {"$set": {"answered": False}})

        assert sent(room, room.new(room.ana))
        assert store.chats.acquainted(room.ana, [room.bo]) == {room.bo}
