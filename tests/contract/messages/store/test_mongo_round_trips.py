"""What each method of the store costs on MongoDB."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.wire import now
from tests.contract.messages.store.groups import make_group
from tests.contract.messages.store.mongo import COMMANDS, MongoAt
from tests.contract.messages.store.room import Room
from tests.messaging import made, says

LATER = timedelta(minutes=1)


@pytest.fixture
def store(mongo_store_url: str, mongo_at: MongoAt) -> MongoStore:
    return mongo_at(mongo_store_url)


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
        COMMANDS.clear()

        stored = room.append(room.new(room.ana))
        appending = COMMANDS.sent[:]
        store.outbox.settle(made(stored.message))

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
        COMMANDS.clear()

        chats = store.chats.page(ana, limit=50)

        assert len(chats) == 20
        assert COMMANDS.sent == ["find", "find", "find", "aggregate"]

    def test_of_a_change_are_few_however_many_the_members(self, store: MongoStore) -> None:
        for size in (2, 1024):
            user_ids = [new_id() for _ in range(size)]
            group = make_group(store, user_ids)
            mine = {"member": user_ids[0]}
            new = NewMessage(
                id=new_id(),
                chat_id=group,
                sender_id=user_ids[0],
                client_id="x",
                content=says("first"),
            )
            stored = store.timeline.append(new, unanswered=3)
            assert stored is not None
            COMMANDS.clear()

            revised = store.timeline.revise(group, 1, **mine, content=says("second"))
            revising = COMMANDS.sent[:]
            COMMANDS.clear()
            renamed = store.chats.rename(group, **mine, title="Friends")
            assert revised is not None
            assert renamed is not None
            for change in (revised, renamed):
                store.outbox.settle(change)

            assert len(revised.member_ids) == len(renamed.member_ids) == size
            # The chat, what is in its outbox, and the message; then both are changed.
            assert revising == ["find", "find", "find", "findAndModify", "findAndModify"]
            assert COMMANDS.sent == ["findAndModify", "update", "update"]

    def test_of_lists_are_the_same_until_a_change_waits(
        self, room: Room, store: MongoStore
    ) -> None:
        message = room.say(room.ana)
        change = store.timeline.revise(room.id, 1, member=room.ana, content=says("second"))
        assert change is not None
        few, counted = ["find", "find", "find", "aggregate"], []
        for look in (
            lambda: store.chats.page(room.bo, limit=9),
            lambda: store.chats.get(room.id, member=room.bo),
        ):
            COMMANDS.clear()
            look()
            counted.append(COMMANDS.sent[:])
        assert counted == [few, few]  # the version is of the newest message, which is read anyway

        room.say(room.ana)
        COMMANDS.clear()
        store.chats.page(room.bo, limit=9)
        assert COMMANDS.sent == ["find", *few]

        store.outbox.settle(change)
        COMMANDS.clear()
        assert store.chats.page(room.bo, limit=9)[0].last_rev == message.seq + 2
        assert COMMANDS.sent == few

    def test_of_reading_and_their_bytes_are_the_same_for_large_chats(
        self, store: MongoStore
    ) -> None:
        counted: list[tuple[list[str], int]] = []
        for size in (2, 1024):
            user_ids = [new_id() for _ in range(size)]
            group, mine = make_group(store, user_ids), {"member": user_ids[0]}
            for number in range(3):
                new = NewMessage(
                    id=new_id(),
                    chat_id=group,
                    sender_id=user_ids[1],
                    client_id=f"{number}",
                    content=says("hello"),
                )
                assert store.timeline.append(new, unanswered=3) is not None
            store.ping()
            COMMANDS.clear()

            chat = store.chats.get(group, **mine)
            assert store.chats.page(user_ids[0], limit=9) == [chat]
            assert store.chats.news(user_ids[0], {}, limit=9) == [chat]
            store.timeline.history(group, **mine, before=None, limit=9)
            store.timeline.changes(group, **mine, since=0, limit=9)
            store.chats.members(group, **mine, limit=2)

            assert chat is not None
            assert chat.member_count == size
            counted.append((COMMANDS.sent[:], COMMANDS.size))

        (few, small), (many, large) = counted
        assert few == many
        assert abs(large - small) < small / 100

    def test_of_catching_up_are_two_and_one_more_while_messages_are_under_way(
        self, room: Room, store: MongoStore
    ) -> None:
        room.say(room.ana)
        COMMANDS.clear()
        store.timeline.changes(room.id, member=room.bo, since=0, limit=50)
        store.timeline.history(room.id, member=room.bo, before=None, limit=50)

        assert COMMANDS.sent == ["find"] * 4

        room.append(room.new(room.ana))
        COMMANDS.clear()
        store.timeline.changes(room.id, member=room.bo, since=0, limit=50)

        assert COMMANDS.sent == ["find"] * 3
