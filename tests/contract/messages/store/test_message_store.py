"""What every message store promises to writers, one caller at a time."""

import time
from datetime import timedelta

import pytest

from chalicelib.errors import Unavailable
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.changes import Stored
from chalicelib.messages.models.chats import Me, Partner
from chalicelib.messages.models.messages import Draft, Message, NewMessage
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.outbox import NO_CHAT, Place
from chalicelib.wire import now
from tests.contract.messages.store.room import TEXTS, Room
from tests.fake_message_store import FakeMessageStore
from tests.messaging import made, new_messages, text_of

LATER = timedelta(minutes=1)


class TestOpenDirect:
    def test_makes_the_chat_for_both_members(self, room: Room) -> None:
        assert room.made
        assert room.chat.id == room.id
        assert room.chat.kind == "direct"
        assert (room.chat.title, room.chat.photo, room.chat.member_count) == (None, None, 2)
        assert room.chat.me == Me(role="member", joined_rev=0, read_seq=0, delivered_seq=0)
        assert room.chat.partner == Partner(user_id=room.bo, read_seq=0, delivered_seq=0)
        assert room.chat.last_message is None
        assert (room.chat.last_rev, room.chat.state_rev, room.chat.unread_count) == (0, 0, 0)
        assert room.chat.last_activity_at == room.chat.created_at
        others = room.store.chats.get(room.id, member=room.bo)
        assert others == room.chat.model_copy(update={"partner": Partner(user_id=room.ana)})

    def test_answers_with_the_chat_that_exists_as_the_opener_sees_it(self, room: Room) -> None:
        message = room.say(room.ana)
        room.store.cursors.move(room.id, member=room.ana, read=1)

        chat, made = room.store.chats.open_direct(room.id, members=(room.bo, room.ana), at=now())

        assert not made
        assert chat == room.store.chats.get(room.id, member=room.bo)
        assert (chat.last_message, chat.unread_count) == (message, 1)
        assert chat.created_at == room.chat.created_at


class TestAppend:
    def test_stores_the_message_in_the_next_place(self, room: Room) -> None:
        new = room.new(room.ana, "one")

        stored = room.append(new)
        second = room.append(room.new(room.bo, "two"))

        assert stored.message == new.at(1)
        assert stored.created
        assert stored.pending
        assert sorted(stored.member_ids) == sorted([room.ana, room.bo])
        assert (second.message.seq, second.message.rev) == (2, 2)
        assert room.all() == [stored.message, second.message]

    @pytest.mark.parametrize("text", TEXTS)
    def test_keeps_what_was_written_to_the_letter(self, room: Room, text: str) -> None:
        stored = room.append(room.new(room.ana, text))

        assert text_of(stored.message) == text
        assert room.all() == [stored.message]
        [pending] = room.store.outbox.pending(before=now() + LATER, limit=9)
        assert pending.newest == stored.message

    @pytest.mark.parametrize("client_id", ["$x", "$$NOW", "a.b", "$ne", "'\"\\", "{}", "~" * 64])
    def test_takes_any_client_id(self, room: Room, client_id: str) -> None:
        first = room.append(room.new(room.ana, client_id=client_id))
        again = room.append(room.new(room.ana, client_id=client_id))
        room.store.outbox.settle(made(first.message))
        settled = room.append(room.new(room.ana, client_id=client_id))

        assert [again.created, settled.created] == [False, False]
        assert again.message == settled.message == first.message
        assert room.all() == [first.message]

    def test_moves_the_chat_up(self, room: Room) -> None:
        at = now() + LATER

        stored = room.append(room.new(room.ana, at=at))

        chat = room.store.chats.get(room.id, member=room.ana)
        assert chat is not None
        assert chat.last_activity_at == at
        assert chat.last_message == stored.message
        assert chat.last_rev == stored.message.rev

    def test_an_older_clock_does_not_move_the_chat_down(self, room: Room) -> None:
        at = room.append(room.new(room.ana, at=now() + LATER)).message.created_at
        late = room.append(room.new(room.bo)).message

        chat = room.store.chats.get(room.id, member=room.ana)
        assert chat is not None
        assert chat.last_activity_at == at
        assert chat.last_message == late

    def test_refuses_a_stranger_and_stores_nothing(self, room: Room) -> None:
        assert room.store.timeline.append(room.new(room.zoe), unanswered=3) is None

        assert room.all() == []
        assert room.store.chats.get(room.id, member=room.ana) == room.chat
        assert room.store.outbox.pending(before=now() + LATER, limit=9) == []

    def test_refuses_an_unknown_chat(self, store: MessageStore, room: Room) -> None:
        new = room.new(room.ana).model_copy(update={"chat_id": new_id()})

        assert store.timeline.append(new, unanswered=3) is None


class TestResend:
    def test_before_settling_answers_with_the_first_and_still_pending(self, room: Room) -> None:
        first = room.append(room.new(room.ana, "first", client_id="x"))

        again = room.append(room.new(room.ana, "changed", client_id="x"))

        assert again == Stored(first.message, again.member_ids, created=False, pending=True)
        assert sorted(again.member_ids) == sorted(first.member_ids)
        assert room.all() == [first.message]

    def test_after_settling_answers_with_the_first_and_not_pending(self, room: Room) -> None:
        first = room.append(room.new(room.ana, "first", client_id="x"))
        room.store.outbox.settle(made(first.message))
        newer = room.say(room.bo)

        again = room.append(room.new(room.ana, "changed", client_id="x"))

        assert again == Stored(first.message, again.member_ids, created=False, pending=False)
        assert room.all() == [first.message, newer]
        assert room.store.outbox.pending(before=now() + LATER, limit=9) == []
        chat = room.store.chats.get(room.id, member=room.ana)
        assert chat is not None
        assert chat.last_message == newer

    def test_g3_a_second_try_of_what_was_settled_meanwhile_keeps_its_place(
        self, store: MessageStore, room: Room
    ) -> None:
        """A driver tries again if the answer to its first try is lost. Meanwhile a job, or a resend
        over another connection, may have delivered the message."""
        new = room.new(room.ana)
        first = room.append(new).message
        store.outbox.settle(made(first))

        again = room.append(new)

        assert (again.message, again.pending) == (first, False)
        assert store.outbox.pending(before=now() + LATER, limit=9) == []
        assert room.say(room.bo) == room.all()[-1]
        assert len(room.all()) == 2

    def test_the_next_message_comes_after_it(self, room: Room) -> None:
        room.store.outbox.settle(made(room.append(room.new(room.ana, client_id="x")).message))
        room.append(room.new(room.ana, client_id="x"))

        following = room.append(room.new(room.ana)).message

        changes = room.store.timeline.changes(room.id, member=room.bo, since=1, limit=9)
        assert changes is not None
        assert changes.items == [following]
        assert changes.rev == following.rev > 1

    def test_of_many_hides_nothing_from_a_small_page(self, room: Room) -> None:
        """They may leave gaps in the order, which are no messages."""
        first = room.append(room.new(room.ana, client_id="x")).message
        room.store.outbox.settle(made(first))
        for _ in range(9):
            room.append(room.new(room.ana, client_id="x"))
        last = room.say(room.bo)

        changes = room.store.timeline.changes(room.id, member=room.bo, since=1, limit=1)
        assert changes is not None
        assert (changes.items, changes.rev, changes.more) == ([last], last.rev, False)
        before = last.seq
        assert room.store.timeline.history(room.id, member=room.bo, before=before, limit=1) == [
            first
        ]

    def test_a_client_id_is_the_senders_own(self, room: Room) -> None:
        first = room.append(room.new(room.ana, client_id="x"))
        other = room.append(room.new(room.bo, client_id="x"))

        assert other.created
        assert other.message != first.message

    def test_a_client_id_counts_in_its_chat_only(self, store: MessageStore, room: Room) -> None:
        room.append(room.new(room.ana, client_id="x"))
        second = direct_chat_id(room.ana, room.zoe)
        store.chats.open_direct(second, members=(room.ana, room.zoe), at=now())

        new = room.new(room.ana, client_id="x").model_copy(update={"chat_id": second})

        assert room.append(new).created

    def test_a_stranger_cannot_find_out_client_ids(self, room: Room) -> None:
        room.append(room.new(room.ana, client_id="x"))

        assert room.store.timeline.append(room.new(room.zoe, client_id="x"), unanswered=3) is None


class TestSettle:
    def test_is_safe_to_repeat(self, room: Room) -> None:
        message = room.append(room.new(room.ana)).message

        room.store.outbox.settle(made(message))
        room.store.outbox.settle(made(message))

        assert room.store.outbox.pending(before=now() + LATER, limit=9) == []
        assert room.all() == [message]

    def test_settles_one_message_only(self, room: Room) -> None:
        first = room.append(room.new(room.ana)).message
        second = room.append(room.new(room.ana)).message
        third = room.append(room.new(room.bo)).message

        room.store.outbox.settle(made(second))

        pending = room.store.outbox.pending(before=now() + LATER, limit=9)
        assert [one.newest for one in pending] == [first, third]

    def test_in_any_order_leaves_the_newest_as_last_message(self, room: Room) -> None:
        first = room.append(room.new(room.ana)).message
        second = room.append(room.new(room.ana)).message

        room.store.outbox.settle(made(second))
        room.store.outbox.settle(made(first))

        chat = room.store.chats.get(room.id, member=room.bo)
        assert chat is not None
        assert chat.last_message == second

    def test_of_what_does_not_exist_does_nothing(self, room: Room) -> None:
        message = room.append(room.new(room.ana)).message

        room.store.outbox.settle(
            made(message.model_copy(update={"id": new_id(), "seq": 7, "rev": 7}))
        )
        room.store.outbox.settle(made(message.model_copy(update={"chat_id": new_id()})))

        [pending] = room.store.outbox.pending(before=now() + LATER, limit=9)
        assert pending.newest == message


def place(found: list[Message]) -> Place | None:
    return (found[-1].created_at, found[-1].chat_id, found[-1].seq) if found else None


class TestPending:
    def test_is_oldest_first_across_chats_and_limited(self, store: MessageStore) -> None:
        start = now() - timedelta(hours=1)
        rooms = [Room(store), Room(store)]
        sent = [
            rooms[i % 2].append(rooms[i % 2].new(rooms[i % 2].ana, at=start + i * LATER)).message
            for i in range(6)
        ]

        found = store.outbox.pending(before=now(), limit=4)

        assert [one.newest for one in found] == sent[:4]
        for one, room in zip(found, rooms * 2, strict=True):
            assert sorted(one.member_ids) == sorted([room.ana, room.bo])
            assert not one.first

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_pages_reach_everything_once_though_nothing_is_settled(
        self, store: MessageStore, page: int
    ) -> None:
        start = now() - timedelta(hours=1)
        rooms = [Room(store) for _ in range(3)]
        # Several at the same time in each chat, and old ones beside new ones in each outbox.
        sent = [
            room.append(room.new(room.ana, at=start + minute * LATER)).message
            for minute in (0, 0, 1, 3)
            for room in rooms
        ]
        found: list[Message] = []
        while batch := store.outbox.pending(before=now(), limit=page, after=place(found)):
            assert len(batch) <= page
            found += new_messages(batch)

        assert found == sorted(sent, key=lambda one: (one.created_at, one.chat_id, one.seq))

    def test_of_a_span_are_those_in_it(self, room: Room) -> None:
        start = now() - timedelta(hours=1)
        sent = [room.append(room.new(room.ana, at=start + n * LATER)).message for n in range(5)]

        found = room.store.outbox.pending(
            before=start + 4 * LATER, after=(start + 2 * LATER, NO_CHAT, 0), limit=9
        )

        assert [one.newest for one in found] == sent[2:4]

    def test_leaves_out_what_was_created_later(self, room: Room) -> None:
        start = now()
        old = room.append(room.new(room.ana, at=start - LATER)).message
        room.append(room.new(room.ana, at=start))

        assert [one.newest for one in room.store.outbox.pending(before=start, limit=9)] == [old]


@pytest.mark.parametrize("minutes", [-5, 5], ids=["behind", "ahead"])
def test_g1_a_message_has_the_time_of_the_server_whatever_clock_the_function_has(
    room: Room, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    before = room.store.timeline.now()
    wrong = time.time_ns() + minutes * 60 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: wrong)
    draft = Draft(client_id="x", content=TextContent(kind="text", text="hi"))

    message = room.append(NewMessage.of(draft, chat_id=room.id, sender_id=room.ana)).message

    millisecond = timedelta(milliseconds=1)
    assert before - millisecond <= message.created_at <= room.store.timeline.now() + millisecond
    assert message.created_at.microsecond % 1000 == 0
    assert [one.newest for one in room.store.outbox.pending(before=now() + LATER, limit=9)] == [
        message
    ]
    chat = room.store.chats.get(room.id, member=room.bo)
    assert chat is not None
    assert chat.last_message == message
    assert chat.last_activity_at == message.created_at
    assert room.all() == [message]


def test_a_live_server_answers_a_ping(store: MessageStore) -> None:
    store.ping()


def test_the_fake_tells_what_was_called_and_fails_on_demand() -> None:
    store = FakeMessageStore()
    room = Room(store)
    store.fail_on.add("append")

    with pytest.raises(Unavailable):
        store.timeline.append(room.new(room.ana), unanswered=3)
    store.fail_on.clear()
    room.append(room.new(room.ana))

    assert store.calls == ["open_direct", "append", "append"]
    assert len(room.all()) == 1
