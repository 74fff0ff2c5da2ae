"""Limits on pushes from chats that the user has not answered, on a real Redis."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.notify.strangers import PUSHES, SECONDS, PushThrottle, UnansweredPush, _key
from tests.contract.accounts import RoundTrips


@pytest.fixture
def throttle(client: redis.Redis) -> PushThrottle:
    return PushThrottle(client)


def pushes(count: int, *, user_id: str = "", chat_id: str = "") -> list[UnansweredPush]:
    user_id, chat_id = user_id or new_id(), chat_id or new_id()
    return [UnansweredPush(user_id, chat_id, new_id()) for _ in range(count)]


def test_an_unanswered_chat_pushes_three_times_an_hour(throttle: PushThrottle) -> None:
    many = pushes(60)

    assert throttle.too_many(many) == set(many[PUSHES:])
    assert throttle.too_many(many[-1:]) == set(many[-1:])


def test_a_retry_of_a_counted_push_is_allowed(throttle: PushThrottle) -> None:
    many = pushes(PUSHES)

    for _ in range(3):
        assert throttle.too_many([*many, *many]) == set()


def test_each_user_and_each_chat_has_its_own_count(throttle: PushThrottle) -> None:
    user_id, chat_id = new_id(), new_id()
    assert len(throttle.too_many(pushes(4, user_id=user_id, chat_id=chat_id))) == 1

    assert throttle.too_many(pushes(3, user_id=user_id)) == set()
    assert throttle.too_many(pushes(3, chat_id=chat_id)) == set()


def test_an_hour_later_it_pushes_again(throttle: PushThrottle, client: redis.Redis) -> None:
    many = pushes(PUSHES)
    throttle.too_many(many)
    key = _key(many[0])
    client.zincrby(key, -SECONDS - 1, many[0].message_id)

    later = pushes(2, user_id=many[0].user_id, chat_id=many[0].chat_id)

    assert throttle.too_many(later) == {later[1]}
    assert SECONDS - 5 <= client.ttl(key) <= SECONDS


def test_concurrent_functions_share_the_limit(redis_url: str) -> None:
    many = pushes(24)

    def push(one: UnansweredPush) -> int:
        return len(PushThrottle(connect(redis_url)).too_many([one]))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(push, many)) == len(many) - PUSHES


def test_a_batch_is_one_round_trip(
    throttle: PushThrottle, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle.too_many(pushes(1))
    trips = RoundTrips(client, monkeypatch)

    throttle.too_many([one for _ in range(20) for one in pushes(2)])
    throttle.too_many([])

    assert trips.count == 1


def test_an_unreachable_server_raises_unavailable() -> None:
    with pytest.raises(Unavailable):
        PushThrottle(connect("redis://127.0.0.1:1")).too_many(pushes(1))
