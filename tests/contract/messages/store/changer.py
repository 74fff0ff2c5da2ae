"""A process that changes a chat from several threads until it is killed. It prints each change that
the store has acknowledged."""

import os
import random
import sys
import threading
from collections.abc import Callable

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from tests.contract.messages.store.room import Room
from tests.contract.messages.store.test_message_store_change_races import Made, change_at_random
from tests.contract.pooler import POOLED

THREADS = 8


def connected(url: str) -> MessageStore:
    if url.startswith("mongodb"):
        return MongoStore(url)
    return PostgresStore(Postgres(url, pooled=POOLED in os.environ))


def change(store: MessageStore, room: Room, seed: int, tell: Callable[[str], None]) -> None:
    """Change the chat until the process is killed."""
    chance = random.Random(seed)
    while True:
        if made := change_at_random(store, room, chance):
            rev, seq, _ = Made.of(made)
            tell(f"{rev} {seq or 0}")


def main(url: str, ana: str, bo: str, seed: str) -> None:
    lock = threading.Lock()

    def tell(line: str) -> None:
        with lock:
            print(line, flush=True)

    threads = []
    for number in range(THREADS):
        store = connected(url)
        room = Room(store, ana, bo)
        one = THREADS * int(seed) + number
        threads.append(threading.Thread(target=change, args=(store, room, one, tell)))
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
