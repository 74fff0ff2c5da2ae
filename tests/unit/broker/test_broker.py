"""Where messages go, without a broker to take them there."""

import json

import pytest

from chalicelib.broker.pushes import PUSH_QUEUES, PUSH_SHARDS, Failure, shard_of
from chalicelib.broker.topology import RETRY_SECONDS
from chalicelib.config import Settings, SettingsInvalid
from chalicelib.ids import new_id
from tests.fakes import FakeBroker
from tests.unit.broker.test_events import unread
from tests.unit.settings import ENVIRONMENT


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def failure(attempt: int = 0, retry_after: float = 0) -> Failure:
    return Failure(b"{}", shard=3, attempt=attempt, reason="Unavailable", retry_after=retry_after)


def test_there_is_a_queue_for_each_shard() -> None:
    assert PUSH_QUEUES == ["push.0", "push.1", "push.2", "push.3"]
    assert len(PUSH_QUEUES) == PUSH_SHARDS


def test_an_event_goes_to_the_shards_of_its_users(broker: FakeBroker) -> None:
    users = [new_id() for _ in range(50)]

    broker.publish(unread(users))

    reached = {
        user: message.routing_key
        for message in broker.sent
        for user in json.loads(message.body)["user_ids"]
    }
    assert reached == {user: f"message.unread.{shard_of(user)}" for user in users}


def test_a_message_survives_a_restart_and_says_what_it_is(broker: FakeBroker) -> None:
    event = unread([new_id()])

    broker.publish(event)

    (message,) = broker.sent
    assert message.exchange == "parley.events"
    assert message.properties.delivery_mode == 2
    assert message.properties.content_type == "application/json"
    assert message.properties.message_id == event.message_id
    assert message.properties.timestamp > 0


def test_nothing_to_publish_is_no_call(broker: FakeBroker) -> None:
    broker.sick = True

    broker.publish_all([])
    broker.retry([])
    broker.bury([])


@pytest.mark.parametrize("attempt", [0, 1, 2, 3])
def test_a_failure_waits_longer_each_time(broker: FakeBroker, attempt: int) -> None:
    broker.retry([failure(attempt)])

    (message,) = broker.sent
    assert (message.exchange, message.routing_key) == ("parley.retry", "message.unread.3")
    expected = {"attempt": attempt + 1, "tries": attempt + 1, "reason": "Unavailable"}
    assert message.properties.headers == expected
    assert message.properties.expiration == str(round(RETRY_SECONDS[attempt] * 1000))


@pytest.mark.parametrize("attempt", [4, 5, 99])
def test_after_the_fourth_retry_it_is_laid_aside(broker: FakeBroker, attempt: int) -> None:
    broker.retry([failure(attempt)])

    assert broker.retried == []
    assert broker.dead == [
        (b"{}", {"attempt": attempt, "reason": "Unavailable", "queue": "push.3"})
    ]


@pytest.mark.parametrize(
    ("retry_after", "attempt"), [(1, 1), (5, 1), (6, 2), (31, 3), (600, 4), (7200, 4)]
)
def test_a_pause_that_was_asked_for_is_granted(
    broker: FakeBroker, retry_after: float, attempt: int
) -> None:
    broker.retry([failure(0, retry_after)])

    assert broker.retried[0][1]["attempt"] == attempt


@pytest.mark.parametrize(
    ("retry_after", "delays"),
    [(0, [5, 30, 120, 600]), (60, [120, 120, 120, 600]), (7200, [600] * 4)],
)
def test_a_pause_costs_none_of_the_four_further_tries(
    broker: FakeBroker, retry_after: float, delays: list[float]
) -> None:
    tries = 0
    while not broker.dead:
        broker.retry([failure(tries, retry_after)])
        if broker.retried:
            tries = broker.retried[-1][1]["tries"]

    waited = [m.properties.expiration for m in broker.sent if m.exchange == "parley.retry"]
    assert waited == [str(round(delay * 1000)) for delay in delays]
    assert broker.dead[0][1]["attempt"] == 4


def test_what_is_hopeless_is_laid_aside_at_once(broker: FakeBroker) -> None:
    broker.bury([failure(0)])

    assert [body for body, _ in broker.dead] == [b"{}"]


def test_delays_are_a_setting() -> None:
    given = Settings.load({**ENVIRONMENT, "PUSH_RETRY_SECONDS": "0.5,1,2,3"})

    assert given.push_retry_seconds == (0.5, 1, 2, 3)
    assert Settings.load(ENVIRONMENT).push_retry_seconds == RETRY_SECONDS


@pytest.mark.parametrize("value", ["5", "5,30,120", "5,30,120,x", "0,1,2,3"])
def test_delays_that_make_no_sense_are_refused(value: str) -> None:
    with pytest.raises(SettingsInvalid, match="PUSH_RETRY_SECONDS"):
        Settings.load({**ENVIRONMENT, "PUSH_RETRY_SECONDS": value})
