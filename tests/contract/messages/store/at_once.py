"""Many who use one chat at once, and readers who follow it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, ParamSpec, TypeVar

from chalicelib.errors import Unavailable
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store import MessageStore
from tests.contract.messages.store.room import Connect, Room

THREADS = 8
TRIES = 20
P = ParamSpec("P")
T = TypeVar("T")


class Page(NamedTuple):
    """An answer to a reader: complete up to `rev`. `seen`: the messages that the reader has by now,
    by seq."""

    rev: int
    seen: dict[int, Message]


def at_once(
    connect: Connect, work: Callable[[int, MessageStore], T], threads: int = THREADS
) -> list[T]:
    """The results of threads that start together, each with a store of its own."""
    stores = [connect() for _ in range(threads)]
    for store in stores:
        store.ping()
    ready = threading.Barrier(threads)

    def run(number: int) -> T:
        ready.wait(60)
        return work(number, stores[number])

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def asked(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the store answers. A busy machine may take longer than a call's deadline: then the call
    is repeated, as clients do."""
    for _ in range(TRIES - 1):
        with suppress(Unavailable):
            return call(*args, **kwargs)
    return call(*args, **kwargs)


def follow(store: MessageStore, room: Room, done: Callable[[], bool]) -> list[Page]:
    """The pages that a client gets. It asks for the changes after its last rev until `done`."""
    pages: list[Page] = []
    seen: dict[int, Message] = {}
    rev = 0
    while True:
        last_round = done()
        more = True
        while more:
            changes = asked(store.timeline.changes, room.id, member=room.bo, since=rev, limit=3)
            assert changes is not None
            assert changes.rev >= rev
            revs = [one.rev for one in changes.items]
            assert revs == sorted(set(revs))
            assert all(rev < one <= changes.rev for one in revs)
            for one in changes.items:
                assert one.seq not in seen or seen[one.seq].rev < one.rev
                seen[one.seq] = one
            rev, more = changes.rev, changes.more
            pages.append(Page(rev, dict(seen)))
        if last_round:
            return pages
