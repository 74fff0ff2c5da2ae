"""What every message store promises about the events that other services get."""

from datetime import timedelta

import pytest

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.store import MessageStore
from chalicelib.wire import now
from tests.contract.messages.store.at_once import at_once
from tests.contract.messages.store.room import Connect, Room
from tests.messaging import made

LATER = timedelta(minutes=1)


@pytest.fixture
def quiet(room: Room) -> Room:
    """A room whose own event is published."""
    room.store.outbox.published(room.store.outbox.unpublished(limit=9))
    return room


class TestOfAChat:
    def test_is_in_the_outbox_once_the_chat_exists(self, room: Room) -> None:
        assert room.store.outbox.unpublished(limit=9) == [room.event]

    def test_tells_who_is_in_it_and_nothing_else(self, room: Room) -> None:
        [event] = room.store.outbox.unpublished(limit=9)

        assert event.data == {"chat_id": room.id, "member_ids": sorted([room.ana, room.bo])}
        assert event.type == "chat.created"
        assert (event.id, event.at) == (room.id, room.chat.created_at)

    def test_is_not_made_for_an_existing_chat(self, quiet: Room) -> None:
        for members in ((quiet.ana, quiet.bo), (quiet.bo, quiet.ana)):
            assert not quiet.store.chats.open_direct(quiet.id, members=members, at=now())[1]

        assert quiet.store.outbox.unpublished(limit=9) == []

    def test_stays_while_the_chat_is_used(self, room: Room) -> None:
        room.say(room.ana)
        room.say(room.bo)

        assert room.store.outbox.unpublished(limit=9) == [room.event]

    def test_is_one_however_many_open_the_chat(self, connect: Connect) -> None:
        ana, bo = new_id(), new_id()
        chat_id = direct_chat_id(ana, bo)

        def open_it(number: int, store: MessageStore) -> bool:
            members = (ana, bo) if number % 2 else (bo, ana)
            return store.chats.open_direct(chat_id, members=members, at=now())[1]

        at_once(connect, open_it)

        assert [event.id for event in connect().outbox.unpublished(limit=9)] == [chat_id]


class TestOfAMessage:
    def test_is_not_in_the_outbox_before_delivery(self, quiet: Room) -> None:
        quiet.append(quiet.new(quiet.ana))

        assert quiet.store.outbox.unpublished(limit=9) == []

    def test_is_not_in_the_outbox_if_it_was_published(self, quiet: Room) -> None:
        quiet.say(quiet.ana)

        assert quiet.store.outbox.unpublished(limit=9) == []

    def test_is_in_the_outbox_if_only_the_delivery_was_done(self, quiet: Room) -> None:
        message = quiet.append(quiet.new(quiet.ana, "secret")).message

        quiet.store.outbox.settle(made(message), published=False)

        assert quiet.store.outbox.pending(before=now() + LATER, limit=9) == []
        [event] = quiet.store.outbox.unpublished(limit=9)
        assert event == ChatEvent.of(message)
        assert event.id == message.id
        assert event.data == {
            "message_id": message.id,
            "chat_id": quiet.id,
            "seq": message.seq,
            "sender_id": quiet.ana,
        }
        assert event.at == message.created_at

    def test_waits_once_though_it_is_settled_twice(self, quiet: Room) -> None:
        message = quiet.append(quiet.new(quiet.ana)).message
        for _ in range(2):
            quiet.store.outbox.settle(made(message), published=False)

        assert [event.id for event in quiet.store.outbox.unpublished(limit=9)] == [message.id]

    def test_a_resend_neither_delivers_again_nor_takes_it_back(self, quiet: Room) -> None:
        message = quiet.append(quiet.new(quiet.ana, client_id="x")).message
        quiet.store.outbox.settle(made(message), published=False)

        again = quiet.append(quiet.new(quiet.ana, client_id="x"))

        assert (again.message, again.created, again.pending) == (message, False, False)
        assert [event.id for event in quiet.store.outbox.unpublished(limit=9)] == [message.id]

    def test_a_resend_has_none_of_its_own(self, quiet: Room) -> None:
        message = quiet.append(quiet.new(quiet.ana, client_id="x")).message
        quiet.append(quiet.new(quiet.ana, client_id="x"))
        quiet.store.outbox.settle(made(message))
        quiet.append(quiet.new(quiet.ana, client_id="x"))

        assert quiet.store.outbox.pending(before=now() + LATER, limit=9) == []
        assert quiet.store.outbox.unpublished(limit=9) == []

    def test_more_events_can_wait_than_a_chat_has_room_for_pending_messages(
        self, quiet: Room
    ) -> None:
        """While RabbitMQ is away a lively chat goes on."""
        sent = []
        for number in range(230):
            sender = quiet.ana if number % 2 else quiet.bo
            sent.append(quiet.append(quiet.new(sender)).message)
            quiet.store.outbox.settle(made(sent[-1]), published=False)

        assert quiet.all() == sent
        assert len(quiet.store.outbox.unpublished(limit=999)) == 230


class TestPublished:
    @pytest.mark.parametrize("page", [1, 2, 50])
    def test_pages_reach_every_event_once_though_none_is_published(
        self, store: MessageStore, page: int
    ) -> None:
        rooms = [Room(store) for _ in range(3)]
        sent = [room.append(room.new(room.ana)).message for room in rooms for _ in range(2)]
        for message in sent:
            store.outbox.settle(made(message), published=False)
        found: list[str] = []
        while events := store.outbox.unpublished(
            limit=page, **({"after": found[-1]} if found else {})
        ):
            assert len(events) <= page
            found += [event.id for event in events]

        assert found == sorted([room.id for room in rooms] + [message.id for message in sent])

    def test_removes_only_the_given_events(self, store: MessageStore) -> None:
        rooms = [Room(store) for _ in range(2)]
        sent = [room.append(room.new(room.ana)).message for room in rooms]
        for message in sent:
            store.outbox.settle(made(message), published=False)

        for _ in range(2):
            store.outbox.published([rooms[0].event, ChatEvent.of(sent[1])])

        left = [event.id for event in store.outbox.unpublished(limit=9)]
        assert left == sorted([rooms[1].id, sent[0].id])
        store.outbox.published([])
        assert len(store.outbox.unpublished(limit=9)) == 2
