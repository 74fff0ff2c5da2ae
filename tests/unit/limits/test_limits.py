"""The table of rates, which parts may be changed, and the header fields that clients get."""

import re

import pytest

import app  # noqa: F401  so that every route and action is known
from chalicelib.config import SettingsInvalid
from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.frames import ACTIONS
from chalicelib.edge.ws import CONNECT
from chalicelib.errors import RateLimited
from chalicelib.limits.buckets import Held, held, judge, network, sizes
from chalicelib.limits.table import TABLE, Bucket, Quota, fields_of, table
from docs.generators import rates
from tests.unit.settings import settings

SECOND = 1_000_000
KINDS_OF_A_FRAME = {"user", "session", "target"}
TEN = Held("send-user", "k1", Bucket(10, 20))
TWO = Held("send-target", "k2", Bucket(2, 20))


def test_the_page_says_what_the_code_does() -> None:
    assert rates.PATH.read_text() == rates.document(), "run: make docs"


def test_every_route_and_action_has_a_class() -> None:
    assert {one.limit for one in ENDPOINTS} | {one.limit for one in ACTIONS.values()} <= set(TABLE)
    assert {CONNECT.limit, CONNECT.refused} <= set(TABLE)


def test_every_action_is_limited_by_user_and_session_and_none_by_address() -> None:
    for name, action in ACTIONS.items():
        assert {"user", "session"} <= set(TABLE[action.limit].buckets) <= KINDS_OF_A_FRAME, name


def test_a_signed_in_user_never_waits_for_an_address() -> None:
    """Accounts are free: a few of one neighbour could use up what all others there need."""
    counted = {one.limit for one in ENDPOINTS if one.scope} | {CONNECT.limit}
    assert {name for name in counted if TABLE[name].address} == set()


@pytest.mark.parametrize("route", ["PATCH /v1/users/me", "POST /v1/chats"])
def test_routes_that_publish_events_have_low_limits(route: str) -> None:
    """While RabbitMQ is away it waits in a table, and later it takes places in their queues."""
    (limit,) = {one.limit for one in ENDPOINTS if f"{one.method} {one.path}" == route}
    bucket = TABLE[limit].user

    assert bucket is not None
    assert bucket.size <= 60
    assert bucket.seconds / bucket.size >= 10


def test_an_action_shares_the_buckets_of_its_twin() -> None:
    twins = {
        "message.send": "POST /v1/chats/{chat_id}/messages",
        "chat.read": "POST /v1/chats/{chat_id}/read",
        "chat.delivered": "POST /v1/chats/{chat_id}/delivered",
        "chat.changes": "GET /v1/chats/{chat_id}/changes",
        "sync": "POST /v1/sync",
    }
    routes = {f"{one.method} {one.path}": one for one in ENDPOINTS}

    for action, route in twins.items():
        twin = routes[route]
        assert (ACTIONS[action].limit, ACTIONS[action].scope) == (twin.limit, twin.scope)


def test_a_list_that_is_counted_is_a_field_of_the_action() -> None:
    counted = {name: action for name, action in ACTIONS.items() if action.counts}

    assert list(counted) == ["presence.watch"]
    for action in counted.values():
        assert action.counts in action.model.model_fields


def test_what_costs_several_tokens_waits_for_as_many() -> None:
    ten = Held("watch-user", "k", Bucket(10, 20))

    assert sizes([ten]) == [2 * SECOND, 10]
    assert sizes([ten], 5) == [10 * SECOND, 2]
    assert sizes([ten], 11) == [20 * SECOND, 1]


def test_what_counts_without_a_session_counts_by_address_alone() -> None:
    for one in ENDPOINTS:
        kinds = set(TABLE[one.limit].buckets)
        if one.scope is None and not TABLE[one.limit].inside:
            assert kinds <= {"address"}, one.path
        if one.scope is not None:
            assert "user" in kinds, one.path
            assert not TABLE[one.limit].inside, one.path


def test_only_what_is_answered_from_memory_is_open() -> None:
    assert {one.path for one in ENDPOINTS if one.limit == "open"} == {
        "/v1/health",
        "/v1/ready",
        "/v1/asyncapi.json",
        "/v1/errors",
        "/v1/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/openid-configuration",
        "/v1/auth/google",
        "/v1/auth/login/passkey/begin",
    }


def test_a_setting_changes_single_buckets() -> None:
    changed = settings(rate_limits={"send": {"user": [7, 8]}}).limits

    assert changed["send"].user == Bucket(7, 8)
    assert changed["send"].session == TABLE["send"].session
    assert changed["search"] == TABLE["search"]
    assert table({}) == TABLE


@pytest.mark.parametrize(
    "changes",
    [
        {"sent": {"user": [1, 1]}},
        {"send": {"users": [1, 1]}},
        {"send": {"address": [1, 1]}},
        {"send": {"covers": [1, 1]}},
        {"send": {"user": [0, 1]}},
        {"send": {"user": [1, 0]}},
        {"send": {"user": [1]}},
        {"send": {"user": "1"}},
        {"send": 1},
    ],
)
def test_no_other_setting_is_taken(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid, match="RATE_LIMITS"):
        settings(rate_limits=changes)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="RATE_LIMITS"):
        settings(rate_limits="{")


def test_buckets_of_one_owner_share_a_slot() -> None:
    limit = "send", TABLE["send"]

    assert [one.key for one in held(limit, "ana", user="", session="s1", target="c1")] == [
        "rate:{ana}:send:user:",
        "rate:{ana}:send:session:s1",
        "rate:{ana}:send:target:c1",
    ]
    assert [one.name for one in held(limit, "ana", user="", session="s1", target=None)] == [
        "send-user",
        "send-session",
    ]


def test_an_answer_says_what_is_left_and_when_there_is_more() -> None:
    answer = judge([([TEN, TWO], [0, 3 * SECOND, 10 * SECOND])])

    assert answer == [Quota("send-user", TEN.bucket, 8, 1), Quota("send-target", TWO.bucket, 1, 10)]


def test_a_full_bucket_has_nothing_to_wait_for() -> None:
    assert judge([([TEN], [0, 0])]) == [Quota("send-user", TEN.bucket, 10, 0)]


def test_retry_after_is_the_longest_wait() -> None:
    with pytest.raises(RateLimited) as raised:
        judge([([TEN], [0, 2 * SECOND]), ([TWO], [5 * SECOND + 1, 25 * SECOND])])

    assert raised.value.details == {"retry_after": 6}
    assert re.findall(r";r=(\d+)", raised.value.fields["RateLimit"]) == ["9", "0"]


def test_fields_are_those_of_the_draft() -> None:
    quotas = [Quota("send-user", Bucket(400, 40), 399, 1), Quota("x", Bucket(2, 20), 2, 0)]

    assert fields_of(quotas) == {
        "RateLimit-Policy": '"send-user";q=400;w=40, "x";q=2;w=20',
        "RateLimit": '"send-user";r=399;t=1, "x";r=2',
    }
    assert fields_of([]) == {}


def test_an_ipv6_network_is_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1")
    assert network("2001:db8:0:1::1") != network("2001:db8::1")
    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("\ud800") == network("\ud800")
