"""The verbs of messages on fakes, and a chat between Ana and Bo."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.messages.delivery import service
from chalicelib.messages.models.chats import Chat
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker, FakeGateway, FakeOwing, FakeUsers
from tests.unit.messages.people import ANA, ANA_ID, BO_ID, CY_ID
from tests.unit.settings import settings


@pytest.fixture
def store() -> FakeMessageStore:
    return FakeMessageStore()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(online=[ANA_ID, BO_ID])


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def owing() -> FakeOwing:
    return FakeOwing()


@pytest.fixture
def messages(
    store: FakeMessageStore, gateway: FakeGateway, broker: FakeBroker, owing: FakeOwing
) -> Messaging:
    users: Any = FakeUsers([ANA_ID, BO_ID, CY_ID])
    return Messaging(
        settings(),
        store=store,
        connections=owing,
        gateway=gateway,
        broker=lambda: broker,
        users=lambda: users,
    )


@pytest.fixture
def chat(messages: Messaging) -> Chat:
    return messages.opening.open_direct(ANA, BO_ID)[0]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, store: FakeMessageStore) -> Callable[[timedelta], None]:
    def move(by: timedelta) -> None:
        there = now() + by
        monkeypatch.setattr(service, "now", lambda: there)
        monkeypatch.setattr(store.timeline, "now", lambda: there)

    return move
