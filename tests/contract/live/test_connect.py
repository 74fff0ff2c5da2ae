"""Opening sockets with tickets and tokens, on a real Redis: who is refused, and which keys that
leaves."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from chalice.app import WebsocketEvent

from chalicelib.deps import deps
from chalicelib.drivers.redis import Scripts
from chalicelib.edge import ws
from chalicelib.identity import Identity
from chalicelib.scopes import SIGN_IN
from tests.unit.auth.fakes import auth_settings
from tests.unit.settings import rates

ANA = "00000000-0000-7000-8000-00000000000a"


WIRED = ("auth", "access_tokens", "connections", "gateway", "presence", "revocation", "throttle")


@pytest.fixture
def client(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """What the functions use as their Redis."""
    limits = rates({"connect-refused.address": 4, "connect.user": 60, "connect.session": 60})
    with monkeypatch.context() as patch:
        for name in WIRED:
            patch.setitem(vars(deps), name, None)  # so that what was there comes back
            del vars(deps)[name]
        patch.setitem(vars(deps), "redis", client)
        patch.setitem(vars(deps), "settings", auth_settings(rate_limits=limits))
        deps.revocation.confirm(ANA, "stands")
        Scripts(client).run_all(deps.revocation.tombstones(ANA, ["ended"]))
        yield client


def of(session_id: str, *scopes: str, client_id: str | None = None) -> Identity:
    return Identity(
        user_id=ANA, session_id=session_id, scopes=frozenset(scopes), client_id=client_id
    )


GOOD = of("stands", "chats.read")
NOT_LET_IN = {
    "told who": (of("stands", "openid", client_id="board"), 403),
    "narrowed": (of("stands", "chats.write", client_id="board"), 403),
    "sign-in page": (of("stands", SIGN_IN), 403),
    "revoked": (of("ended", "chats.read"), 401),
}


def by_token(identity: Identity, **where: str) -> int:
    token = deps.access_tokens.issue(identity)
    return opening({"headers": {"Authorization": f"Bearer {token}"}}, **where)


def by_ticket(ticket: str, **where: str) -> int:
    return opening({"queryStringParameters": {"ticket": ticket}}, **where)


def opening(brings: dict[str, Any], address: str = "192.0.2.1") -> int:
    context = {
        "domainName": "x",
        "stage": "api",
        "connectionId": "c1",
        "requestId": "r1",
        "identity": {"sourceIp": address},
    }
    status: int = ws.connect(WebsocketEvent({"requestContext": context, **brings}, None))[
        "statusCode"
    ]
    return status


def kept(client: redis.Redis) -> dict[Any, Any]:
    return {key: client.dump(key) for key in client.scan_iter()}


@pytest.mark.parametrize("why", NOT_LET_IN)
def test_a_refused_socket_takes_of_its_address_until_that_is_empty_and_leaves_nothing(
    client: redis.Redis, why: str
) -> None:
    identity, status = NOT_LET_IN[why]

    assert [by_token(identity) for _ in range(4)] == [status] * 4
    before = kept(client)
    assert len([key for key in before if key.startswith("rate:")]) <= 1 + 2 * (status == 403)
    assert by_ticket("made up") == 429
    assert opening({}) == 429
    assert kept(client) == before
    assert not client.keys("conn*")
    assert by_ticket("made up", address="198.51.100.1") == 401


def test_a_valid_socket_never_waits_for_strangers_at_its_address(client: redis.Redis) -> None:
    ticket = deps.auth.issue_ticket(GOOD).ticket
    assert [by_ticket("made up") for _ in range(6)] == [401] * 4 + [429] * 2

    assert by_ticket(ticket) == 200
    assert by_token(GOOD) == 200
    assert by_ticket(ticket) == 429


def test_a_ticket_of_a_session_that_ended_is_refused(client: redis.Redis) -> None:
    ticket = deps.auth.issue_ticket(of("ended", "chats.read")).ticket

    assert by_ticket(ticket) == 401
    assert not client.keys("conn*")
    assert not client.keys("seen:*")  # nobody was online, and nobody's account may be deleted


def test_a_ticket_opens_a_socket_with_the_scopes_of_its_client(client: redis.Redis) -> None:
    board = of("stands", "openid", "chats.read", client_id="board")

    assert by_ticket(deps.auth.issue_ticket(board).ticket) == 200

    caller = deps.connections.admit("c1")
    assert (caller.client_id, caller.scopes) == ("board", board.scopes)
    assert not client.keys("seen:*")
