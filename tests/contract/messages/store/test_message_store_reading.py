"""What every message store promises to readers, one caller at a time."""

from datetime import timedelta

import pytest

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.chats import Partner
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo import chats as mongo
from chalicelib.messages.store.postgres import chats as postgres
from chalicelib.wire import now
from tests import fake_message_store as fake
from tests.contract.messages.store.room import Room

LATER = timedelta(minutes=1)


class TestChat:
    def test_is_hidden_from_strangers(self, room: Room) -> None:
        assert room.store.chats.get(room.id, member=room.zoe) is None
        assert room.store.chats.get(new_id(), member=room.ana) is None

    def test_counts_as_unread_what_others_sent_after_the_cursor(self, room: Room) -> None:
        for sender in (room.ana, room.bo, room.bo, room.ana, room.bo):
            room.say(sender)
        room.store.cursors.move(room.id, member=room.ana, read=2)

        counts = []
        for member in (room.ana, room.bo):
            chat = room.store.chats.get(room.id, member=member)
            assert chat is not None
            counts.append(chat.unread_count)

        assert counts == [2, 2]

    def test_counts_no_further_back_than_the_window(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (fake, mongo, postgres):
            monkeypatch.setattr(module, "UNREAD_WINDOW", 5)
        room.say(room.bo)
        for _ in range(5):
            room.say(room.ana)

        for member, unread in ((room.ana, 0), (room.bo, 5)):
            chat = room.store.chats.get(room.id, member=member)
            assert chat is not None
            assert chat.unread_count == unread
        room.say(room.ana)
        assert [chat.unread_count for chat in room.store.chats.page(room.bo, limit=9)] == [5]

    def test_counts_what_is_unread_however_often_other_things_change(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (fake, mongo, postgres):
            monkeypatch.setattr(module, "UNREAD_WINDOW", 5)
        room.say(room.bo)
        message = room.say(room.bo)
        content = TextContent(kind="text", text="better")
        for _ in range(3):
            room.store.chats.rename(room.id, member=room.bo, title="Us")
            room.store.timeline.revise(room.id, message.seq, member=room.bo, content=content)

        chat = room.store.chats.get(room.id, member=room.ana)

        assert chat is not None
        assert (chat.unread_count, chat.last_rev) == (2, 8)


class TestChats:
    def test_lists_the_members_own_by_activity_with_their_state(self, store: MessageStore) -> None:
        rooms = [Room(store) for _ in range(3)]
        ana = rooms[0].ana
        for room in rooms[1:]:
            room.id = direct_chat_id(ana, room.bo)
            store.chats.open_direct(room.id, members=(ana, room.bo), at=now())
        for minutes, room in ((1, rooms[1]), (2, rooms[2]), (3, rooms[0])):
            for sender in (room.bo, room.bo, ana):
                room.append(room.new(sender, at=now() + minutes * LATER))
        store.cursors.move(rooms[2].id, member=ana, read=1)

        found = store.chats.page(ana, limit=9)

        assert [chat.id for chat in found] == [rooms[0].id, rooms[2].id, rooms[1].id]
        assert found == [store.chats.get(chat.id, member=ana) for chat in found]
        assert [chat.unread_count for chat in found] == [2, 1, 2]
        assert [chat.last_rev for chat in found] == [3, 3, 3]
        assert store.chats.page(new_id(), limit=9) == []

    def test_pages_through_chats_of_the_same_moment(self, store: MessageStore) -> None:
        ana, at = new_id(), now()
        ids = []
        for _ in range(7):
            bo = new_id()
            chat, _ = store.chats.open_direct(direct_chat_id(ana, bo), members=(ana, bo), at=at)
            ids.append(chat.id)

        found: list[str] = []
        before = None
        for _ in range(4):
            page = store.chats.page(ana, limit=2, before=before)
            found += [chat.id for chat in page]
            before = (page[-1].last_activity_at, page[-1].id)

        assert found == sorted(ids, reverse=True)
        assert store.chats.page(ana, limit=2, before=before) == []

    def test_a_chat_that_moves_up_between_pages_repeats_nothing(self, store: MessageStore) -> None:
        rooms = []
        ana = new_id()
        for minutes in range(4):
            room = Room(store)
            room.id, room.ana = direct_chat_id(ana, room.bo), ana
            store.chats.open_direct(room.id, members=(ana, room.bo), at=now() + minutes * LATER)
            rooms.append(room)
        first = store.chats.page(ana, limit=2)

        rooms[0].append(rooms[0].new(ana, at=now() + 9 * LATER))
        second = store.chats.page(ana, limit=2, before=(first[-1].last_activity_at, first[-1].id))

        assert [chat.id for chat in first] == [rooms[3].id, rooms[2].id]
        assert [chat.id for chat in second] == [rooms[1].id]


class TestNews:
    def test_is_of_chats_that_have_more_than_is_known_newest_first(
        self, store: MessageStore
    ) -> None:
        rooms = [Room(store) for _ in range(5)]
        ana = rooms[0].ana
        for room in rooms:
            room.id = direct_chat_id(ana, room.bo)
            store.chats.open_direct(room.id, members=(ana, room.bo), at=now())
        empty, unknown, behind, level, other = rooms
        for minutes, room in enumerate((unknown, behind, level, other)):
            for _ in range(2):
                room.append(room.new(room.bo, at=now() + minutes * LATER))
        known = {behind.id: 1, level.id: 2, other.id: 0, new_id(): 7}

        news = store.chats.news(ana, known, limit=9)

        assert [chat.id for chat in news] == [other.id, behind.id, unknown.id]
        assert news == [store.chats.get(chat.id, member=ana) for chat in news]
        assert store.chats.news(ana, known, limit=2) == news[:2]
        level_with_those = {chat.id: chat.last_rev for chat in news}
        assert [chat.id for chat in store.chats.news(ana, level_with_those, limit=9)] == [level.id]
        assert store.chats.news(empty.bo, {}, limit=9) == []
        assert store.chats.news(empty.zoe, {}, limit=9) == []


class TestHistory:
    def test_pages_backwards_and_stays_put_while_messages_arrive(self, room: Room) -> None:
        sent = [room.say(room.ana, str(i)) for i in range(5)]

        newest = room.store.timeline.history(room.id, member=room.bo, before=None, limit=2)
        room.say(room.bo)
        older = room.store.timeline.history(room.id, member=room.bo, before=4, limit=2)
        oldest = room.store.timeline.history(room.id, member=room.bo, before=2, limit=2)

        assert newest == sent[:2:-1]
        assert older == sent[2:0:-1]
        assert oldest == sent[:1]
        assert room.store.timeline.history(room.id, member=room.bo, before=1, limit=2) == []

    def test_before_a_future_seq_begins_with_the_newest(self, room: Room) -> None:
        sent = room.say(room.ana)

        assert room.store.timeline.history(room.id, member=room.bo, before=2**53 - 1, limit=2) == [
            sent
        ]

    def test_is_hidden_from_strangers(self, room: Room) -> None:
        room.say(room.ana)

        assert room.store.timeline.history(room.id, member=room.zoe, before=None, limit=9) is None
        assert room.store.timeline.history(new_id(), member=room.ana, before=None, limit=9) is None


class TestChanges:
    def test_are_in_order_after_a_rev_and_say_how_far_they_go(self, room: Room) -> None:
        sent = [room.say(room.ana, str(i)) for i in range(5)]

        part = room.store.timeline.changes(room.id, member=room.bo, since=1, limit=2)
        rest = room.store.timeline.changes(room.id, member=room.bo, since=3, limit=2)
        none = room.store.timeline.changes(room.id, member=room.bo, since=5, limit=2)

        assert part is not None
        assert rest is not None
        assert none is not None
        assert (part.items, part.rev, part.more) == (sent[1:3], 3, True)
        assert (rest.items, rest.rev, rest.more) == (sent[3:], 5, False)
        assert (none.items, none.rev, none.more) == ([], 5, False)

    def test_after_a_future_rev_are_none(self, room: Room) -> None:
        room.say(room.ana)

        changes = room.store.timeline.changes(room.id, member=room.bo, since=2**53 - 1, limit=2)

        assert changes is not None
        assert (changes.items, changes.rev, changes.more) == ([], 1, False)

    def test_are_hidden_from_strangers(self, room: Room) -> None:
        room.say(room.ana)

        assert room.store.timeline.changes(room.id, member=room.zoe, since=0, limit=9) is None
        assert room.store.timeline.changes(new_id(), member=room.ana, since=0, limit=9) is None


class TestCursors:
    def test_reading_is_receiving(self, room: Room) -> None:
        for sender in (room.bo, room.ana, room.bo):
            room.say(sender)

        moved = room.store.cursors.move(room.id, member=room.ana, read=2)

        assert moved is not None
        assert moved.moved
        assert (moved.receipt.chat_id, moved.receipt.user_id) == (room.id, room.ana)
        assert (moved.receipt.read_seq, moved.receipt.delivered_seq) == (2, 2)
        assert sorted(moved.seen_by) == sorted([room.ana, room.bo])

    def test_receiving_is_not_reading(self, room: Room) -> None:
        room.say(room.bo)
        room.say(room.ana)

        moved = room.store.cursors.move(room.id, member=room.ana, delivered=1)

        assert moved is not None
        assert moved.moved
        assert (moved.receipt.read_seq, moved.receipt.delivered_seq) == (0, 1)
        chat = room.store.chats.get(room.id, member=room.bo)
        assert chat is not None
        assert chat.partner == Partner(user_id=room.ana, delivered_seq=1)
        assert (chat.me.read_seq, chat.me.delivered_seq) == (0, 0)

    def test_never_move_back_nor_past_the_last_rev(self, room: Room) -> None:
        for _ in range(3):
            room.say(room.bo)

        steps = [
            room.store.cursors.move(room.id, member=room.ana, delivered=2**53 - 1),
            room.store.cursors.move(room.id, member=room.ana, read=2),
            room.store.cursors.move(room.id, member=room.ana, read=1, delivered=1),
            room.store.cursors.move(room.id, member=room.ana, read=2, delivered=3),
            room.store.cursors.move(room.id, member=room.ana),
        ]

        seen = [(s.receipt.read_seq, s.receipt.delivered_seq, s.moved) for s in steps if s]
        assert seen == [(0, 3, True), (2, 3, True), (2, 3, False), (2, 3, False), (2, 3, False)]

    def test_cannot_be_moved_by_a_stranger(self, room: Room) -> None:
        room.say(room.bo)

        assert room.store.cursors.move(room.id, member=room.zoe, read=1) is None
        assert room.store.cursors.move(new_id(), member=room.ana, read=1) is None

    def test_are_read_in_bulk(self, store: MessageStore) -> None:
        rooms = [Room(store), Room(store)]
        for room in rooms:
            room.say(room.bo)
            room.say(room.ana)
        store.cursors.move(rooms[0].id, member=rooms[0].ana, read=1)
        here, there = (rooms[0].id, rooms[0].ana), (rooms[1].id, rooms[1].bo)

        found = store.cursors.of(
            [here, there, (rooms[0].id, rooms[1].ana), (new_id(), rooms[0].ana)]
        )

        assert found.keys() == {here, there}
        assert (found[here].receipt.read_seq, found[there].receipt.read_seq) == (1, 0)
        assert not any(one.moved for one in found.values())
        assert found[here].receipt.user_id == rooms[0].ana
        assert sorted(found[here].seen_by) == sorted([rooms[0].ana, rooms[0].bo])
        assert store.cursors.of([]) == {}


class TestMembers:
    def test_are_known_to_members_only(self, room: Room) -> None:
        room.say(room.ana)
        room.say(room.bo)

        assert room.store.cursors.observers(room.id, member=room.bo) == [room.ana]
        assert room.store.cursors.observers(room.id, member=room.zoe) is None
        assert room.store.cursors.observers(new_id(), member=room.ana) is None

    def test_are_acquainted(self, store: MessageStore, room: Room) -> None:
        other, ana_and_zoe = Room(store), Room(store)
        ana_and_zoe.id = direct_chat_id(room.ana, room.zoe)
        store.chats.open_direct(ana_and_zoe.id, members=(room.zoe, room.ana), at=now())
        for one, writers in (
            (room, (room.ana, room.bo)),
            (ana_and_zoe, (room.zoe, room.ana)),
            (other, (other.ana, other.bo)),
        ):
            for writer in writers:
                one.say(writer)

        assert store.chats.acquainted(room.ana, [room.bo, room.zoe, other.ana, room.ana]) == {
            room.bo,
            room.zoe,
        }
        assert store.chats.acquainted(room.bo, [room.zoe]) == set()
        assert store.chats.acquainted(room.ana, []) == set()


class TestUndelivered:
    def test_are_those_of_others_after_the_cursor_and_in_the_range(self, room: Room) -> None:
        sent = [room.say(s) for s in (room.bo, room.bo, room.ana, room.bo, room.bo)]
        room.store.cursors.move(room.id, member=room.ana, delivered=1)

        def undelivered(since: int, until: int, limit: int = 9) -> object:
            return room.store.timeline.undelivered(
                room.id, member=room.ana, since=since, until=until, limit=limit
            )

        assert undelivered(0, 99) == [sent[1], sent[3], sent[4]]
        assert undelivered(0, 99, limit=2) == [sent[1], sent[3]]
        assert undelivered(3, 4) == [sent[3]]
        assert undelivered(5, 5) == [sent[4]]
        assert undelivered(6, 9) == undelivered(4, 3) == []
        room.store.cursors.move(room.id, member=room.ana, delivered=5)
        assert undelivered(0, 99) == []

    def test_are_found_behind_many_of_ones_own(self, room: Room) -> None:
        for _ in range(9):
            room.say(room.ana)
        sent = room.say(room.bo)

        assert room.store.timeline.undelivered(
            room.id, member=room.ana, since=1, until=10, limit=1
        ) == [sent]

    def test_are_hidden_from_strangers(self, room: Room) -> None:
        room.say(room.bo)

        assert (
            room.store.timeline.undelivered(room.id, member=room.zoe, since=1, until=9, limit=9)
            is None
        )
        assert (
            room.store.timeline.undelivered(new_id(), member=room.ana, since=1, until=9, limit=9)
            is None
        )
