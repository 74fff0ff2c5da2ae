"""What every message store promises about changes that are not new messages."""

from datetime import timedelta

import pytest

from chalicelib.ids import new_id
from chalicelib.messages.models.changes import Change, ChangePage
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store import MessageStore
from chalicelib.wire import now
from tests.contract.messages.store.groups import make_group
from tests.contract.messages.store.room import TEXTS, Room
from tests.messaging import made, says, text_of

LATER = timedelta(minutes=1)


def edited(room: Room, message: Message, text: str = "better") -> Change:
    change = room.store.timeline.revise(
        room.id, message.seq, member=message.sender_id, content=says(text)
    )
    assert change is not None
    return change


def deleted(room: Room, message: Message) -> Change:
    change = room.store.timeline.revise(
        room.id, message.seq, member=message.sender_id, content=None
    )
    assert change is not None
    return change


def renamed(store: MessageStore, chat_id: str, member: str, title: str) -> Change:
    change = store.chats.rename(chat_id, member=member, title=title)
    assert change is not None
    return change


def page(room: Room, since: int, limit: int = 50) -> ChangePage:
    found = room.store.timeline.changes(room.id, member=room.bo, since=since, limit=limit)
    assert found is not None
    return found


def pending(store: MessageStore) -> list[Change]:
    return store.outbox.pending(before=now() + LATER, limit=99)


class TestRevise:
    def test_an_edit_takes_the_next_rev_and_keeps_its_place(self, room: Room) -> None:
        first, second = room.say(room.ana, "one"), room.say(room.ana, "two")

        change = edited(room, first, "uno")

        assert (change.chat_id, change.rev, change.first) == (room.id, 3, True)
        assert sorted(change.member_ids) == sorted([room.ana, room.bo])
        version = change.newest
        assert isinstance(version, Message)
        assert version.edited_at == change.at
        assert change.at.microsecond % 1000 == 0
        assert version == first.model_copy(
            update={"rev": 3, "content": says("uno"), "edited_at": change.at}
        )
        assert change.new_message is None
        assert room.all() == [version, second]

    def test_a_deletion_leaves_no_content(self, room: Room) -> None:
        message = room.say(room.ana, "a secret")

        version = deleted(room, message).newest

        assert isinstance(version, Message)
        assert (version.content, version.edited_at) == (None, None)
        assert version.deleted_at is not None
        assert room.all() == [version]

    def test_a_deleted_message_stays_deleted(self, room: Room) -> None:
        message = room.say(room.ana)
        version = deleted(room, message).newest

        for content in (None, says("back")):
            again = room.store.timeline.revise(
                room.id, message.seq, member=room.ana, content=content
            )
            assert again is None
        assert room.all() == [version]

    def test_a_deletion_keeps_the_time_of_the_last_edit(self, room: Room) -> None:
        message = room.say(room.ana)
        edit = edited(room, message)

        version = deleted(room, message).newest

        assert isinstance(version, Message)
        assert (version.edited_at, version.content, version.rev) == (edit.at, None, 3)

    @pytest.mark.parametrize("text", TEXTS)
    def test_keeps_what_was_written_to_the_letter(self, room: Room, text: str) -> None:
        version = edited(room, room.say(room.ana, "hello"), text).newest

        assert isinstance(version, Message)
        assert text_of(version) == text
        assert room.all() == [version]

    def test_of_an_unknown_message_or_by_a_stranger_changes_nothing(self, room: Room) -> None:
        message = room.say(room.ana)

        for chat_id, seq, member in (
            (room.id, message.seq, room.zoe),
            (room.id, message.seq + 1, room.ana),
            (room.id, 0, room.ana),
            (new_id(), message.seq, room.ana),
        ):
            for content in (says("mine"), None):
                revised = room.store.timeline.revise(chat_id, seq, member=member, content=content)
                assert revised is None
        assert room.all() == [message]
        assert pending(room.store) == []
        chat = room.store.chats.get(room.id, member=room.ana)
        assert chat is not None
        assert chat.last_rev == 1

    def test_a_pending_message_can_be_revised(self, room: Room) -> None:
        message = room.append(room.new(room.ana, "hello")).message

        version = edited(room, message).newest

        assert room.all() == [version]
        assert [(one.rev, one.newest) for one in pending(room.store)] == [
            (1, version),
            (2, version),
        ]

    def test_a_resend_of_a_revised_message_answers_with_its_newest_version(
        self, room: Room
    ) -> None:
        new = room.new(room.ana, "hello")
        version = edited(room, room.append(new).message).newest

        again = room.append(new.model_copy(update={"id": new_id()}))

        assert (again.message, again.created, again.pending) == (version, False, True)
        assert again.change.rev == 1
        room.store.outbox.settle(again.change)
        assert [one.rev for one in pending(room.store)] == [2]
        settled = room.append(new.model_copy(update={"id": new_id()}))
        assert (settled.message, settled.pending) == (version, False)

    def test_moves_neither_the_time_of_the_chat_nor_its_state(self, room: Room) -> None:
        message = room.say(room.ana)
        before = room.store.chats.get(room.id, member=room.bo)
        assert before is not None

        version = edited(room, message).newest

        after = room.store.chats.get(room.id, member=room.bo)
        assert after == before.model_copy(update={"last_rev": 2, "last_message": version})
        assert room.store.chats.page(room.bo, limit=9) == [after]

    def test_lists_show_the_newest_version_of_the_newest_message(self, room: Room) -> None:
        room.say(room.ana)
        last = room.say(room.ana)
        for number in range(5):
            version = edited(room, last, f"version {number}").newest

            for chats in (
                room.store.chats.page(room.bo, limit=9),
                room.store.chats.news(room.bo, {room.id: 2}, limit=9),
            ):
                assert [chat.last_message for chat in chats] == [version]

    def test_many_revisions_of_old_messages_do_not_hide_the_newest_message(
        self, room: Room
    ) -> None:
        old = room.say(room.ana)
        last = room.append(room.new(room.ana)).message
        for number in range(6):
            edited(room, old, f"version {number}")

        [chat] = room.store.chats.page(room.bo, limit=9)

        assert chat.last_message == last

    def test_deleted_messages_are_not_unread(self, room: Room) -> None:
        messages = [room.say(room.ana) for _ in range(3)]
        deleted(room, messages[1])

        chat = room.store.chats.get(room.id, member=room.bo)

        assert chat is not None
        assert chat.unread_count == 2

    def test_deleted_messages_are_not_undelivered(self, room: Room) -> None:
        messages = [room.say(room.ana) for _ in range(3)]
        deleted(room, messages[1])
        version = edited(room, messages[2]).newest

        found = room.store.timeline.undelivered(room.id, member=room.bo, since=1, until=3, limit=9)

        assert found == [messages[0], version]


class TestChanges:
    def test_bring_each_message_once_in_its_newest_version(self, room: Room) -> None:
        first, second = room.say(room.ana), room.say(room.bo)
        edited(room, first)
        version = edited(room, first, "best").newest

        assert page(room, 0).items == [second, version]
        assert page(room, 2).items == [version]
        assert page(room, 4).items == []
        assert [page(room, since).rev for since in (0, 2, 4)] == [4, 4, 4]

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_reach_every_version_once(self, room: Room, limit: int) -> None:
        messages = [room.say(room.ana, str(number)) for number in range(5)]
        for message in messages[::2]:
            edited(room, message)
        given: list[Message] = []
        rev, more = 0, True
        while more:
            found = page(room, rev, limit)
            assert len(found.items) <= limit
            given += found.items
            rev, more = found.rev, found.more

        assert [one.rev for one in given] == [2, 4, 6, 7, 8]
        assert sorted(given, key=lambda one: one.seq) == room.all()

    def test_name_the_rev_of_the_state(self, room: Room) -> None:
        room.say(room.ana)
        renamed(room.store, room.id, room.ana, "Us")
        message = room.say(room.ana)

        found = page(room, 0)

        assert [one.rev for one in found.items] == [1, 3]
        assert (found.items[-1], found.rev, found.state_rev) == (message, 3, 2)

    def test_a_change_of_the_state_only_moves_the_rev(self, room: Room) -> None:
        message = room.say(room.ana)
        renamed(room.store, room.id, room.ana, "Us")

        found = page(room, message.rev)

        assert (found.items, found.rev, found.state_rev, found.more) == ([], 2, 2, False)
        assert found.covers_state(message.rev)
        assert not found.covers_state(2)


class TestRename:
    def test_takes_the_next_rev(self, store: MessageStore) -> None:
        ana, bo = new_id(), new_id()
        chat_id = make_group(store, [ana, bo])

        change = renamed(store, chat_id, ana, "Best friends")

        assert (change.chat_id, change.rev, change.first) == (chat_id, 1, True)
        assert change.newest == ChatState(
            chat_id=chat_id, rev=1, title="Best friends", member_count=2
        )
        assert sorted(change.member_ids) == sorted([ana, bo])
        for member in (ana, bo):
            chat = store.chats.get(chat_id, member=member)
            assert chat is not None
            assert (chat.title, chat.last_rev, chat.state_rev) == ("Best friends", 1, 1)
            assert [one.id for one in store.chats.news(member, {chat_id: 0}, limit=9)] == [chat_id]
            assert store.chats.news(member, {chat_id: 1}, limit=9) == []

    @pytest.mark.parametrize("title", [text for text in TEXTS if len(text) < 200])
    def test_keeps_the_title_to_the_letter(self, store: MessageStore, title: str) -> None:
        ana = new_id()
        chat_id = make_group(store, [ana, new_id()])

        renamed(store, chat_id, ana, title)

        chat = store.chats.get(chat_id, member=ana)
        assert chat is not None
        assert chat.title == title

    def test_by_a_stranger_changes_nothing(self, store: MessageStore) -> None:
        ana, zoe = new_id(), new_id()
        chat_id = make_group(store, [ana, new_id()], "Friends")

        assert store.chats.rename(chat_id, member=zoe, title="Mine") is None
        assert store.chats.rename(new_id(), member=ana, title="Mine") is None

        chat = store.chats.get(chat_id, member=ana)
        assert chat is not None
        assert (chat.title, chat.last_rev) == ("Friends", 0)
        assert pending(store) == []

    def test_shares_its_order_with_messages(self, room: Room) -> None:
        revs = [
            room.say(room.ana).rev,
            renamed(room.store, room.id, room.ana, "Us").rev,
            room.say(room.bo).rev,
            renamed(room.store, room.id, room.bo, "You and me").rev,
        ]

        assert revs == [1, 2, 3, 4]

    def test_the_answer_of_a_direct_chat_is_no_change_of_its_state(self, room: Room) -> None:
        """Otherwise `state_rev` would be the rev of a message. A client that gets only the state
        would believe that it has the message."""
        room.say(room.ana)
        renamed(room.store, room.id, room.ana, "Us")
        room.say(room.bo)

        chat = room.store.chats.get(room.id, member=room.ana)

        assert chat is not None
        assert (chat.answered, chat.state_rev, chat.last_rev) == (True, 2, 3)
        assert page(room, 0).state_rev == 2


class TestOutbox:
    def test_holds_each_kind_of_change_in_the_order_of_time(self, room: Room) -> None:
        message = room.append(room.new(room.ana)).message
        edit = edited(room, message)
        title = renamed(room.store, room.id, room.ana, "Us")
        removal = deleted(room, message)

        found = pending(room.store)

        assert [one.rev for one in found] == [1, 2, 3, 4]
        assert [one.at for one in found] == [message.created_at, edit.at, title.at, removal.at]
        newest = removal.newest
        assert [one.newest for one in found] == [newest, newest, title.newest, newest]
        assert not any(one.first for one in found)
        for one in found:
            assert sorted(one.member_ids) == sorted([room.ana, room.bo])

    def test_each_is_settled_by_itself(self, room: Room) -> None:
        message = room.append(room.new(room.ana)).message
        changes = [
            edited(room, message),
            renamed(room.store, room.id, room.ana, "Us"),
            edited(room, message, "best"),
        ]
        left = [1, 2, 3, 4]
        for change in (changes[1], made(message), changes[2], changes[0]):
            for _ in range(2):
                room.store.outbox.settle(change)
                assert [one.rev for one in pending(room.store)] == [
                    rev for rev in left if rev != change.rev
                ]
            left.remove(change.rev)
        newest = room.all()
        assert [(one.rev, text_of(one)) for one in newest] == [(4, "best")]

    def test_only_a_new_message_leaves_an_event(self, room: Room) -> None:
        room.store.outbox.published([room.event])
        message = room.say(room.ana)
        for change in (
            edited(room, message),
            renamed(room.store, room.id, room.ana, "Us"),
            deleted(room, message),
        ):
            room.store.outbox.settle(change, published=False)

        assert room.store.outbox.unpublished(limit=9) == []
        assert pending(room.store) == []

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_reach_every_kind_once(self, store: MessageStore, limit: int) -> None:
        rooms = [Room(store) for _ in range(3)]
        for room in rooms:
            message = room.append(room.new(room.ana)).message
            edited(room, message)
            renamed(store, room.id, room.ana, "Us")
        found: list[Change] = []
        while True:
            after = (found[-1].at, found[-1].chat_id, found[-1].rev) if found else None
            batch = store.outbox.pending(before=now() + LATER, limit=limit, after=after)
            if not batch:
                break
            assert len(batch) <= limit
            found += batch

        assert {(one.chat_id, one.rev) for one in found} == {
            (room.id, rev) for room in rooms for rev in (1, 2, 3)
        }
        assert len(found) == 9
