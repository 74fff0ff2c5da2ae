"""How often a stranger's chat rings a phone, on a real Redis."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.notify.strangers import PUSHES, SECONDS, Doorbell, Knock, _knocks
from tests.contract.accounts import RoundTrips


@pytest.fixture
def doorbell(client: redis.Redis) -> Doorbell:
    return Doorbell(client)


def knocks(count: int, *, user_id: str = "", chat_id: str = "") -> list[Knock]:
    user_id, chat_id = user_id or new_id(), chat_id or new_id()
    return [Knock(user_id, chat_id, new_id()) for _ in range(count)]


def test_a_chat_rings_three_times_an_hour(doorbell: Doorbell) -> None:
    many = knocks(60)

    assert doorbell.too_many(many) == set(many[PUSHES:])
    assert doorbell.too_many(many[-1:]) == set(many[-1:])


def test_what_failed_and_comes_again_may_ring(doorbell: Doorbell) -> None:
    many = knocks(PUSHES)

    for _ in range(3):
        assert doorbell.too_many([*many, *many]) == set()


def test_each_user_and_each_chat_is_counted_apart(doorbell: Doorbell) -> None:
    user_id, chat_id = new_id(), new_id()
    assert len(doorbell.too_many(knocks(4, user_id=user_id, chat_id=chat_id))) == 1

    assert doorbell.too_many(knocks(3, user_id=user_id)) == set()
    assert doorbell.too_many(knocks(3, chat_id=chat_id)) == set()


def test_an_hour_later_it_may_ring_again(doorbell: Doorbell, client: redis.Redis) -> None:
    many = knocks(PUSHES)
    doorbell.too_many(many)
    key = _knocks(many[0])
    client.zincrby(key, -SECONDS - 1, many[0].message_id)

    later = knocks(2, user_id=many[0].user_id, chat_id=many[0].chat_id)

    assert doorbell.too_many(later) == {later[1]}
    assert SECONDS - 5 <= client.ttl(key) <= SECONDS


def test_racers_ring_three_times_together(redis_url: str) -> None:
    many = knocks(24)

    def ring(one: Knock) -> int:
        return len(Doorbell(connect(redis_url)).too_many([one]))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ring, many)) == len(many) - PUSHES


def test_a_batch_is_one_round_trip(
    doorbell: Doorbell, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorbell.too_many(knocks(1))
    trips = RoundTrips(client, monkeypatch)

    doorbell.too_many([one for _ in range(20) for one in knocks(2)])
    doorbell.too_many([])

    assert trips.count == 1


def test_an_unreachable_server_raises_unavailable() -> None:
    with pytest.raises(Unavailable):
        Doorbell(connect("redis://127.0.0.1:1")).too_many(knocks(1))
