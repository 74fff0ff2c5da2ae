"""The guarantees hold whatever people do and whoever dies at whatever moment."""

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from pymongo.collection import Collection

from chalicelib.messages import service
from chalicelib.messages.store import MessageStore
from tests.contract.message_store.room import Connect
from tests.fakes import FakeMessageStore
from tests.property.machine import Chats
from tests.property.world import Fate

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "0"))
"""How many random ones; by default a few that are always the same."""


def chosen(examples: int, steps: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


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
    monkeypatch.setattr(service, "ANSWER_BYTES", 3000)
    monkeypatch.setattr(service, "SYNC_CHATS", 1)
    caplog.set_level(logging.CRITICAL)  # every fault is logged, which takes its time
    return fate


def machine(new_store: Callable[[], MessageStore], fate: Fate) -> type[Chats]:
    class Here(Chats):
        def __init__(self) -> None:
            super().__init__(new_store(), fate)

    return Here


def test_g1_g2_g3_g4_hold_in_memory(fate: Fate) -> None:
    run_state_machine_as_test(machine(FakeMessageStore, fate), settings=chosen(300, steps=60))


@pytest.mark.parametrize("connect", ["mongo", "postgres"], indirect=True)
def test_g1_g2_g3_g4_hold_on_real_stores(connect: Connect, fate: Fate) -> None:
    store = connect()
    run_state_machine_as_test(machine(lambda: store, fate), settings=chosen(25, steps=40))
