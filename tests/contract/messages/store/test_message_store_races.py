"""What every message store promises when many use it at once."""

import random
import threading
from datetime import timedelta

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.models.changes import Stored
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store import MessageStore
from chalicelib.wire import now
from tests.contract.messages.store.at_once import THREADS, at_once, follow
from tests.contract.messages.store.room import Connect, Room
from tests.messaging import made, text_of


def test_racers_open_one_chat(connect: Connect) -> None:
    ana, bo = new_id(), new_id()
    chat_id = direct_chat_id(ana, bo)

    def open_it(number: int, store: MessageStore) -> bool:
        members = (ana, bo) if number % 2 else (bo, ana)
        chat, made = store.chats.open_direct(chat_id, members=members, at=now())
        assert chat.partner is not None
        assert chat.partner.user_id == members[1]
        listed = store.chats.members(chat_id, member=ana, limit=9)
        assert listed is not None
        assert [one.user_id for one in listed] == sorted([ana, bo])
        return made

    assert sorted(at_once(connect, open_it)) == [False] * (THREADS - 1) + [True]


def test_the_same_client_id_at_once_is_stored_once(connect: Connect, room: Room) -> None:
    for attempt in range(10):
        client_id = f"same-{attempt}"

        def send(number: int, store: MessageStore, client_id: str = client_id) -> Stored:
            return room.append(room.new(room.ana, f"{number}", client_id=client_id), store)

        stored = at_once(connect, send)

        assert [one.created for one in stored].count(True) == 1
        assert len({one.message.id for one in stored}) == 1
        assert len({text_of(one.message) for one in stored}) == 1
    assert len(room.all()) == 10


def test_writers_at_once_get_a_place_each_without_gaps(connect: Connect, room: Room) -> None:
    def send(number: int, store: MessageStore) -> list[Message]:
        sender = room.ana if number % 2 else room.bo
        return [room.append(room.new(sender), store).message for _ in range(12)]

    sent = [message for messages in at_once(connect, send) for message in messages]

    assert sorted(message.rev for message in sent) == list(range(1, 12 * THREADS + 1))
    assert room.all() == sorted(sent, key=lambda message: message.seq)


def test_a_reader_who_is_told_of_completeness_has_everything(connect: Connect, room: Room) -> None:
    """Writers append, resend and settle; two readers follow. Nobody misses or repeats any."""
    writers = THREADS - 2
    writing = set(range(writers))
    done = threading.Event()

    def write(number: int, store: MessageStore) -> list[Message]:
        chance = random.Random(number)
        stored: list[Message] = []
        try:
            for _ in range(25):
                new = room.new(room.ana if number % 2 else room.bo)
                message = room.append(new, store).message
                if chance.random() < 0.8:
                    store.outbox.settle(made(message))
                if chance.random() < 0.4:
                    again = room.append(new.model_copy(update={"id": new_id()}), store)
                    assert again.message == message
                    assert not again.created
                stored.append(message)
        finally:
            writing.remove(number)
            if not writing:
                done.set()
        return stored

    def work(number: int, store: MessageStore) -> list[Message]:
        if number < writers:
            return write(number, store)
        newest = follow(store, room, done.is_set)[-1].seen
        return [message for _, message in sorted(newest.items())]

    results = at_once(connect, work)

    written = sorted(
        (message for messages in results[:writers] for message in messages),
        key=lambda message: message.seq,
    )
    assert len(written) == 25 * writers
    assert room.all() == written
    for given in results[writers:]:
        assert given == written


def test_one_resend_after_another_while_readers_and_the_job_interfere(
    connect: Connect, room: Room
) -> None:
    """All threads send the same 20 messages, settle, read and redeliver as they like."""
    client_ids = [new_id() for _ in range(20)]

    def work(number: int, store: MessageStore) -> dict[str, str]:
        chance = random.Random(number)
        answers = {}
        for client_id in client_ids:
            stored = room.append(room.new(room.ana, client_id=client_id), store)
            answers[client_id] = stored.message.id
            match chance.randrange(4):
                case 0:
                    store.outbox.settle(made(stored.message))
                case 1:
                    store.timeline.changes(room.id, member=room.bo, since=0, limit=50)
                case 2:
                    for one in store.outbox.pending(before=now() + timedelta(minutes=1), limit=50):
                        store.outbox.settle(one)
                case _:
                    store.chats.get(room.id, member=room.bo)
        return answers

    answers = at_once(connect, work)

    stored = room.all()
    assert len(stored) == len(client_ids)
    assert answers == [{message.client_id: message.id for message in stored}] * THREADS
    for one in room.store.outbox.pending(before=now() + timedelta(minutes=1), limit=50):
        room.store.outbox.settle(one)
    assert room.store.outbox.pending(before=now() + timedelta(minutes=1), limit=50) == []
    chat = room.store.chats.get(room.id, member=room.bo)
    assert chat is not None
    assert chat.last_message == stored[-1]
    assert chat.unread_count == len(stored)


def test_cursors_moved_at_once_end_at_the_furthest(connect: Connect, room: Room) -> None:
    for _ in range(THREADS):
        room.say(room.bo)

    def move(number: int, store: MessageStore) -> int:
        moved = store.cursors.move(room.id, member=room.ana, read=number + 1)
        assert moved is not None
        assert moved.receipt.read_seq >= number + 1 or not moved.moved
        return moved.receipt.read_seq

    assert max(at_once(connect, move)) == THREADS
    here = (room.id, room.ana)
    assert room.store.cursors.of([here])[here].receipt.read_seq == THREADS
