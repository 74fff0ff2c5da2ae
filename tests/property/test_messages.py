"""The guarantees hold whatever people do, and whenever a process dies."""

import logging
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from pymongo.collection import Collection

from chalicelib.drivers.redis import connect as connect_redis
from chalicelib.identity import Identity
from chalicelib.live import connections, registry
from chalicelib.messages import reading
from chalicelib.messages.store import MessageStore
from tests.contract.messages.store.room import Connect, Room
from tests.fake_message_store import FakeMessageStore
from tests.property.machine import Chats
from tests.property.world import Died, Fate, Fault, Model, Sockets

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "0"))
"""How many random ones there are, beside those that are always the same; by default a few."""


def hold(machine: type[Chats], *, examples: int, steps: int) -> None:
    """Examples that are always the same, and some random ones: PROPERTY_SEED repeats these."""
    same = settings(
        max_examples=examples,
        derandomize=True,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=same)
    number = int(os.environ.get("PROPERTY_SEED") or random.SystemRandom().randrange(10**9))
    print(f"PROPERTY_SEED={number}")  # pytest shows it when the test fails
    fresh = settings(same, max_examples=EXAMPLES or max(5, examples // 5), derandomize=False)
    run_state_machine_as_test(seed(number)(machine), settings=fresh)


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Fate:
    """Answers are short, so that `more` matters; and MongoDB's two writes can be torn apart."""
    fate = Fate()
    insert = Collection.insert_one

    def insert_one(self: Any, document: Any, *arguments: Any, **named: Any) -> Any:
        if self.name == "messages":
            fate.meet("before insert")
        return insert(self, document, *arguments, **named)

    monkeypatch.setattr(Collection, "insert_one", insert_one)
    update = Collection.find_one_and_update

    def find_one_and_update(self: Any, *arguments: Any, **named: Any) -> Any:
        if self.name == "messages":
            fate.meet("before apply")
        return update(self, *arguments, **named)

    monkeypatch.setattr(Collection, "find_one_and_update", find_one_and_update)
    monkeypatch.setattr(reading, "ANSWER_BYTES", 3000)
    monkeypatch.setattr(reading, "SYNC_CHATS", 1)
    caplog.set_level(logging.CRITICAL)  # every fault is logged, which takes its time
    return fate


def machine(
    new_store: Callable[[], MessageStore], new_sockets: Callable[[], Sockets], fate: Fate
) -> type[Chats]:
    class Here(Chats):
        def __init__(self) -> None:
            super().__init__(new_store(), new_sockets(), fate)

    return Here


@pytest.fixture
def sockets(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sockets]:
    """No socket is young: a 410 drops its record."""
    for module in (connections, registry):
        monkeypatch.setattr(module, "YOUNG_SECONDS", -1)
    client = connect_redis(redis_url)
    yield Sockets(client)
    client.close()


@pytest.mark.parametrize("connect", ["mongo"], indirect=True)
def test_a_process_can_die_between_the_two_writes_of_mongodb(connect: Connect, fate: Fate) -> None:
    """Or the test on real stores would never tear them apart."""
    room = Room(connect())
    message = room.say(room.ana)
    timeline = room.store.timeline
    for moment, write in (
        ("before insert", lambda: room.append(room.new(room.ana))),
        (
            "before apply",
            lambda: timeline.revise(room.id, message.seq, member=room.ana, content=None),
        ),
    ):
        fate.fault = Fault(moment, deadly=True)
        with pytest.raises(Died):
            write()


def test_g1_g2_g3_g4_hold_in_memory(fate: Fate) -> None:
    hold(machine(FakeMessageStore, Model, fate), examples=300, steps=60)


def test_no_socket_of_a_real_redis_is_young(sockets: Sockets) -> None:
    """Or no 410 would drop a record in the test below."""
    sockets.open(Identity(user_id="ana", session_id="s"), "c")

    assert [one.young for one in sockets.of(["ana"])] == [False]


def test_g1_g2_g3_g4_hold_with_a_real_redis(fate: Fate, sockets: Sockets) -> None:
    hold(machine(FakeMessageStore, lambda: sockets, fate), examples=100, steps=60)


@pytest.mark.parametrize("connect", ["mongo", "postgres"], indirect=True)
def test_g1_g2_g3_g4_hold_on_real_stores(connect: Connect, fate: Fate) -> None:
    store = connect()
    hold(machine(lambda: store, Model, fate), examples=20, steps=40)
