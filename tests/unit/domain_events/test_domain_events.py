"""Events for other services are published by the function that made the change, or by the job."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import logs
from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.deps import deps
from chalicelib.domain_events import written
from chalicelib.domain_events.models import TYPES, MessageCreated, UserUpdated
from chalicelib.domain_events.outbox import Waiting
from chalicelib.domain_events.service import REST_SECONDS, DomainEvents
from chalicelib.edge.invocation import InvocationFailed, invocation
from chalicelib.errors import Unavailable
from tests.fakes import FakeBroker, FakeEventOutbox
from tests.unit.settings import settings

CONTEXT = SimpleNamespace(aws_request_id="r1", function_name="parley-dev")
ID = "00000000-0000-7000-8000-00000000000{}".format
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def waiting(number: int, kind: str = "user.updated", **data: Any) -> Waiting:
    return Waiting(ID(number), kind, {"user_id": ID(9), "revision": number, **data}, AT)


class World:
    def __init__(self) -> None:
        self.outbox = FakeEventOutbox()
        self.broker = FakeBroker()
        self.events = DomainEvents(settings(), outbox=self.outbox, broker=lambda: self.broker)

    def change(self, number: int = 1) -> None:
        """As a store does."""
        written.note()
        self.outbox.waiting.append(waiting(number))

    @property
    def told(self) -> list[str]:
        return [one["id"] for one in self.broker.told]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setitem(vars(deps), "settings", settings())
    monkeypatch.setitem(vars(deps), "domain_events", world.events)
    written.noted()
    yield world
    logs.enter()


class TestAFunction:
    def test_publishes_what_it_wrote(self, world: World) -> None:
        with invocation(CONTEXT):
            world.change()
            assert world.told == [], "not before the change is made"

        assert world.told == [ID(1)]
        assert world.outbox.waiting == []

    def test_publishes_also_when_it_fails_after_the_change(self, world: World) -> None:
        def failing() -> None:
            with invocation(CONTEXT):
                world.change()
                raise Unavailable("redis")

        with pytest.raises(InvocationFailed):
            failing()

        assert world.told == [ID(1)]

    def test_asks_no_server_if_it_wrote_nothing(self, world: World) -> None:
        world.outbox.waiting = [waiting(1)]
        with invocation(CONTEXT):
            pass

        assert world.told == []

    def test_that_was_cut_off_leaves_its_note_to_nobody(self, world: World) -> None:
        world.change()
        with invocation(CONTEXT):
            pass

        assert world.told == []
        assert len(world.outbox.waiting) == 1, "the job publishes it"

    @pytest.mark.parametrize(
        "harm",
        [
            lambda world: setattr(world.broker, "sick", True),
            lambda world: setattr(world.outbox, "sick", True),
            lambda world: setattr(world.outbox, "remove", None),
        ],
    )
    def test_does_not_fail_if_nothing_can_be_published(
        self, world: World, harm: Callable[[World], None]
    ) -> None:
        harm(world)

        with invocation(CONTEXT):
            world.change()

        assert len(world.outbox.waiting) == 1

    def test_leaves_events_to_the_job_for_a_while_after_a_failure(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = 1000.0
        monkeypatch.setattr("chalicelib.domain_events.service.time.time", lambda: time)
        world.broker.sick = True
        world.change(1)
        world.events.publish()
        world.broker.sick = False

        world.events.publish()
        assert world.told == []
        time += REST_SECONDS
        world.events.publish()
        assert world.told == [ID(1)]


class TestTheJob:
    def test_publishes_all_that_was_left(self, world: World) -> None:
        world.outbox.waiting = [waiting(n) for n in range(5)]

        assert world.events.publish_left() == 5
        assert world.told == [ID(n) for n in range(5)]

    def test_keeps_what_rabbitmq_did_not_take(self, world: World) -> None:
        world.outbox.waiting = [waiting(1)]
        world.broker.sick = True

        with pytest.raises(Unavailable):
            world.events.publish_left()

        assert len(world.outbox.waiting) == 1

    @pytest.mark.parametrize(
        "strange", [waiting(1, "user.promoted"), waiting(1, user_id="x"), waiting(1, revision=None)]
    )
    def test_leaves_what_it_does_not_understand(self, world: World, strange: Waiting) -> None:
        world.outbox.waiting = [strange, waiting(2)]

        world.events.publish_left()

        assert world.told == [ID(2)]
        assert world.outbox.waiting == [strange]


def test_an_event_says_the_same_however_often_it_is_published() -> None:
    data = UserUpdated(user_id=ID(1), revision=3)
    first, again = (
        CloudEvent.of(data, ID(2), time=AT, issuer="https://chat.example.org/api/")
        for _ in range(2)
    )

    assert first == again
    assert json.loads(first.model_dump_json()) == {
        "specversion": "1.0",
        "id": ID(2),
        "source": "https://chat.example.org/api",
        "type": "user.updated",
        "subject": ID(1),
        "time": "2026-01-01T12:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "https://chat.example.org/api/events/user.updated/1",
        "data": {"user_id": ID(1), "revision": 3},
    }


def test_events_need_no_listener() -> None:
    broker = FakeBroker()
    data = MessageCreated(message_id=ID(1), chat_id=ID(2), seq=1, sender_id=ID(3))
    event = CloudEvent.of(data, ID(1), time=AT, issuer="https://x")

    broker.publish_events([event])

    (sent,) = broker.sent
    assert (sent.exchange, sent.routing_key, sent.mandatory) == (
        "parley.events", "message.created", False
    )  # fmt: skip
    assert sent.properties.content_type == "application/cloudevents+json"
    assert sent.properties.delivery_mode == 2
    assert sent.properties.message_id == ID(1)


def test_every_type_holds_ids_and_numbers_only() -> None:
    for name, data in TYPES.items():
        assert name == data.type
        assert data.about in data.model_fields
        allowed = {"revision", "seq"}
        assert all(
            field.endswith(("_id", "_ids")) or field in allowed for field in data.model_fields
        )
