"""What every message store promises about the members of a chat."""

import pytest
from pydantic_core import to_json

from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.chats import Member
from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store import MessageStore
from tests.contract.messages.store.groups import make_group
from tests.contract.messages.store.room import Room

LARGE = 1024


def listed(store: MessageStore, chat_id: str, member: str, limit: int = 50) -> list[Member]:
    """All of them, page by page."""
    found: list[Member] = []
    while True:
        after = found[-1].user_id if found else None
        page = store.chats.members(chat_id, member=member, limit=limit, after=after)
        assert page is not None
        assert len(page) <= limit
        found += page
        if len(page) < limit:
            return found


class TestMembers:
    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_come_in_pages_by_user_id(self, store: MessageStore, limit: int) -> None:
        user_ids = [new_id() for _ in range(5)]
        make_group(store, [user_ids[0], new_id()])
        chat_id = make_group(store, user_ids)

        found = listed(store, chat_id, user_ids[0], limit)

        assert found == [Member(user_id=one) for one in sorted(user_ids)]

    def test_come_with_their_receipts_once_the_chat_is_answered(self, room: Room) -> None:
        room.say(room.ana)
        room.store.cursors.move(room.id, member=room.bo, delivered=1)
        hidden, own = Member(user_id=room.bo), Member(user_id=room.bo, delivered_seq=1)

        assert hidden in listed(room.store, room.id, room.ana)
        assert own in listed(room.store, room.id, room.bo)
        room.say(room.bo)
        assert own in listed(room.store, room.id, room.ana)

    def test_are_hidden_from_strangers(self, room: Room) -> None:
        for chat_id, member in ((room.id, room.zoe), (new_id(), room.ana)):
            assert room.store.chats.members(chat_id, member=member, limit=9) is None

    def test_a_page_after_the_last_one_is_empty(self, room: Room) -> None:
        last = max(room.ana, room.bo)

        found = room.store.chats.members(room.id, member=room.ana, limit=9, after=last)

        assert found == []


class TestALargeGroup:
    def test_looks_like_a_small_one(self, store: MessageStore) -> None:
        """It has the same fields and, without the count, the same size."""
        ana, bo = new_id(), new_id()
        sizes = {}
        for count in (2, LARGE):
            chat_id = make_group(store, [ana, bo, *(new_id() for _ in range(count - 2))])
            new = NewMessage(
                id=new_id(),
                chat_id=chat_id,
                sender_id=bo,
                client_id="same",
                content=TextContent(kind="text", text="hello"),
            )
            assert store.timeline.append(new, unanswered=1) is not None
            chat = store.chats.get(chat_id, member=ana)
            assert chat is not None
            assert (chat.kind, chat.member_count, chat.partner) == ("group", count, None)
            assert (chat.answered, chat.unread_count) == (True, 1)
            sizes[count] = len(to_json(chat.model_copy(update={"member_count": 0})))

        small, large = sizes.values()
        assert abs(small - large) < 5  # a time may have fewer digits
        assert store.chats.page(ana, limit=9)[0].member_count == LARGE
        assert len(listed(store, chat_id, ana, 200)) == LARGE

    def test_all_members_may_see_who_has_read(self, store: MessageStore) -> None:
        user_ids = [new_id() for _ in range(3)]
        chat_id = make_group(store, user_ids)
        store.timeline.append(
            NewMessage(
                id=new_id(),
                chat_id=chat_id,
                sender_id=user_ids[0],
                client_id="1",
                content=TextContent(kind="text", text="hello"),
            ),
            unanswered=1,
        )

        moved = store.cursors.move(chat_id, member=user_ids[1], read=1)

        assert moved is not None
        assert sorted(moved.seen_by) == sorted(user_ids)
        assert Member(user_id=user_ids[1], read_seq=1, delivered_seq=1) in listed(
            store, chat_id, user_ids[2]
        )
