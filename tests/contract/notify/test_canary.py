"""Canaries on a real Redis: where they arrived, and the result for those that did not."""

import pytest
import redis

from chalicelib.broker.pushes import PUSH_QUEUES, Canary
from chalicelib.notify.canary import KEPT_SECONDS, Canaries
from chalicelib.notify.models import Outcome


class Queues:
    """RabbitMQ and the function behind it: `read` are the queues that it reads."""

    def __init__(self, client: redis.Redis) -> None:
        self.read = set(PUSH_QUEUES)
        self.outcome = Outcome("gone", "UnregisteredError")
        self.canaries = Canaries(
            client, broker=lambda: self, fcm=lambda: self, pause=lambda _: None
        )

    def publish_canary(self, canary: Canary) -> list[str]:
        for queue in sorted(self.read):
            self.canaries.record([(queue, canary)])
        return PUSH_QUEUES

    def validate(self) -> Outcome:
        return self.outcome


@pytest.fixture
def queues(client: redis.Redis) -> Queues:
    return Queues(client)


def test_a_refused_token_shows_that_fcm_accepts_the_account(queues: Queues) -> None:
    result = queues.canaries.send(seconds=0)

    assert result.queues == dict.fromkeys(PUSH_QUEUES, "ok")


def test_a_queue_that_nobody_reads_is_missing(queues: Queues) -> None:
    queues.read.remove("push.2")

    result = queues.canaries.send(seconds=0)

    assert result.queues == {**dict.fromkeys(PUSH_QUEUES, "ok"), "push.2": "missing"}


def test_what_fcm_says_of_a_wrong_account_is_passed_on(queues: Queues) -> None:
    queues.outcome = Outcome("retry", "UnauthenticatedError")

    assert set(queues.canaries.send(seconds=0).queues.values()) == {"UnauthenticatedError"}


def test_what_is_recorded_expires(queues: Queues, client: redis.Redis) -> None:
    queues.canaries.send(seconds=0)

    (key,) = client.keys("canary:*")
    assert 0 < client.ttl(key) <= KEPT_SECONDS
