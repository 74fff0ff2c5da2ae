"""What a message store keeps of changes whose processes are killed."""

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.messages.store.at_once import Page, asked, follow
from tests.contract.messages.store.changer import THREADS
from tests.contract.messages.store.room import Connect, Room
from tests.contract.messages.store.test_message_store_change_races import (
    Made,
    begun,
    check_final,
    check_pages,
    pending,
)

PROCESSES = 8
"""With THREADS in each, these are 64 writers at once."""


def killed_at_random(url: str, room: Room, seed: int, begin: threading.Barrier) -> list[Made]:
    """The changes that a process has acknowledged before it is killed, at a random moment."""
    command = [sys.executable, "-m", "tests.contract.messages.store.changer"]
    arguments = [url, room.ana, room.bo, str(seed)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        made = [read(process.stdout.readline())]
        begin.wait(120)  # until all of them write
        some = range(random.randint(2, 15))
        made += [read(process.stdout.readline()) for _ in some]
    finally:
        process.kill()
    rest, _ = process.communicate()
    return made + [read(line + "\n") for line in rest.split("\n")[:-1]]


def read(line: str) -> Made:
    assert line.endswith("\n")
    rev, seq = map(int, line.split())
    return Made(rev, seq or None, None)


@pytest.mark.parametrize("connect", ["mongo", "postgres"], indirect=True)
def test_g1_g3_64_writers_are_killed_anywhere(
    connect: Connect, request: pytest.FixtureRequest
) -> None:
    """Readers miss no acknowledged change, and the job finds what was left."""
    name = request.node.callspec.params["connect"]
    url: str = request.getfixturevalue(f"{name}_store_url")
    room = Room(connect())
    first = begun(room)
    over, begin = threading.Event(), threading.Barrier(PROCESSES)

    def read_on(_: int) -> list[Page]:
        store = connect()
        return follow(store, room, over.is_set)

    with ThreadPoolExecutor(PROCESSES) as writers, ThreadPoolExecutor(2) as readers:
        reading = [readers.submit(read_on, number) for number in range(2)]
        try:
            writing = [
                writers.submit(killed_at_random, url, room, seed, begin)
                for seed in range(PROCESSES)
            ]
            made = first + [one for process in writing for one in process.result()]
        finally:
            over.set()
        pages = [reader.result() for reader in reading]

    assert len(made) >= len(first) + PROCESSES * 3
    final = asked(check_final, room, made)
    check_pages(final, pages)
    while left := asked(pending, room.store):
        for change in left:
            assert change.newest.rev >= change.rev
            asked(room.store.outbox.settle, change)
    check_pages(check_final(room, made), [*pages, follow(room.store, room, lambda: True)])
    assert THREADS * PROCESSES == 64
