"""What every message store promises when many change one chat at once."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store import MessageStore
from chalicelib.wire import now
from tests.contract.messages.store.at_once import THREADS, Page, asked, at_once, follow
from tests.contract.messages.store.room import Connect, Room

WRITERS = 64
ROUNDS = 3


class Made(NamedTuple):
    """A change that the store has acknowledged. `seq`: of the message; None for the title."""

    rev: int
    seq: int | None
    title: str | None

    @classmethod
    def of(cls, change: Change) -> "Made":
        if isinstance(change.newest, Message):
            return cls(change.rev, change.newest.seq, None)
        return cls(change.rev, None, change.newest.title)


def change_at_random(store: MessageStore, room: Room, chance: random.Random) -> Change | None:
    """Make a new message, a version of one of the first messages, or a new title. Most are settled.
    None if nothing was acknowledged: the message is deleted, or a busy machine took too long."""
    try:
        change = _changed(store, room, chance)
    except Unavailable:
        return None
    if change is not None and chance.random() < 0.8:
        with suppress(Unavailable):
            store.outbox.settle(change)
    return change


def _changed(store: MessageStore, room: Room, chance: random.Random) -> Change | None:
    sender = chance.choice([room.ana, room.bo])
    seq = chance.randint(1, 6)
    match chance.randrange(6):
        case 0 | 1:
            return room.append(room.new(sender), store).change
        case 2 | 3:
            text = TextContent(kind="text", text=f"version {new_id()}")
            return store.timeline.revise(room.id, seq, member=sender, content=text)
        case 4:
            return store.timeline.revise(room.id, seq + 6, member=sender, content=None)
        case _:
            return store.chats.rename(room.id, member=sender, title=f"title {new_id()}")


def redeliver(store: MessageStore, done: Callable[[], bool]) -> None:
    """As the job does: settle everything that is pending."""
    while not done():
        for change in asked(pending, store):
            asked(store.outbox.settle, change)


def pending(store: MessageStore) -> list[Change]:
    return store.outbox.pending(before=now() + timedelta(minutes=1), limit=200)


def check_final(room: Room, made: list[Made]) -> dict[int, Message]:
    """Every change has a rev of its own, and none is lost. Returns the messages by seq."""
    revs = [one.rev for one in made]
    assert len(set(revs)) == len(revs)
    final = {one.seq: one for one in room.all()}
    for one in made:
        if one.seq is not None:
            assert final[one.seq].rev >= one.rev
    for message in final.values():
        assert (message.content is None) == (message.deleted_at is not None)
    chat = room.store.chats.get(room.id, member=room.ana)
    assert chat is not None
    assert chat.last_rev >= max(revs)
    assert chat.state_rev >= max((one.rev for one in made if one.seq is None), default=0)
    return final


def check_pages(final: dict[int, Message], pages: list[list[Page]]) -> None:
    """A page that is complete up to a rev has each message up to that rev, unless the message has
    changed again since."""
    for told in pages:
        for page in told:
            for seq, message in final.items():
                if message.rev <= page.rev:
                    assert page.seen[seq].rev >= message.rev


def begun(room: Room) -> list[Made]:
    """Send the first messages, before anybody changes anything."""
    messages = [room.say(sender) for sender in (room.ana, room.bo) * 6]
    assert [one.seq for one in messages] == list(range(1, 13))
    return [Made(one.rev, one.seq, None) for one in messages]


def test_g3_readers_miss_no_change_while_writers_and_the_job_work(
    connect: Connect, room: Room
) -> None:
    first = begun(room)
    writing = set(range(THREADS - 3))
    done = threading.Event()

    def write(number: int, store: MessageStore) -> list[Change]:
        chance = random.Random(number)
        try:
            found = [change_at_random(store, room, chance) for _ in range(30)]
        finally:
            writing.remove(number)
            if not writing:
                done.set()
        return [change for change in found if change is not None]

    def work(number: int, store: MessageStore) -> tuple[list[Change], list[Page]]:
        if number < THREADS - 3:
            return write(number, store), []
        if number == THREADS - 3:
            redeliver(store, done.is_set)
            return [], []
        return [], follow(store, room, done.is_set)

    results = at_once(connect, work)

    made = first + [Made.of(change) for changes, _ in results for change in changes]
    assert len(made) > len(first) + 30
    final, pages = asked(check_final, room, made), [pages for _, pages in results if pages]
    check_pages(final, pages)
    assert [told[-1].seen for told in pages] == [final, final]


def test_g1_g3_64_writers_change_one_chat(connect: Connect, room: Room) -> None:
    first = begun(room)

    def work(number: int, store: MessageStore) -> list[Change]:
        chance = random.Random(number)
        found = [change_at_random(store, room, chance) for _ in range(ROUNDS)]
        return [change for change in found if change is not None]

    results = at_once(connect, work, WRITERS)

    made = first + [Made.of(change) for changes in results for change in changes]
    assert len(made) > len(first) + WRITERS
    final = asked(check_final, room, made)
    assert follow(room.store, room, lambda: True)[-1].seen == final
    while left := pending(room.store):
        for change in left:
            room.store.outbox.settle(change)
    assert check_final(room, made) == final


def test_a_deletion_wins_against_edits_at_the_same_time(connect: Connect, room: Room) -> None:
    for _ in range(5):
        message = room.say(room.ana)

        def revise(number: int, store: MessageStore, seq: int = message.seq) -> Change | None:
            text = TextContent(kind="text", text=f"edit {number}")
            content = None if number == 3 else text
            return store.timeline.revise(room.id, seq, member=room.ana, content=content)

        results = at_once(connect, revise)

        assert results[3] is not None
        [final] = [one for one in room.all() if one.seq == message.seq]
        assert final.content is None
        assert final.deleted_at is not None
