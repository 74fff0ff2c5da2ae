"""How many connections to Redis a warm function holds."""

from collections.abc import Iterator

import pytest
import redis

from chalicelib.auth.google.uses import IdTokenUses
from chalicelib.auth.passkeys.challenges import Challenges
from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.auth.sessions.tickets import Tickets
from chalicelib.drivers.redis import connect
from chalicelib.exports.links import ExportLinks
from chalicelib.identity import Identity
from chalicelib.limits.guesses import Throttle
from chalicelib.limits.table import Use
from chalicelib.live.connections import Connections
from chalicelib.notify.strangers import PushThrottle, UnansweredPush
from chalicelib.oauth.tokens.codes import Code, Codes
from chalicelib.users.cache import ProfileCache
from chalicelib.users.models import Card
from tests.contract.notify.test_canary import Queues
from tests.unit.settings import settings

NAME = "warm"
ANA = Identity(user_id="ana", session_id="s1", connection_id="c1")
CARD = Card(id="ana", username="ana", display_name="Ana", about="", deleted=False, revision=1)
CODE = Code(
    client_id="board",
    redirect_uri="https://board.example/in",
    challenge="c" * 43,
    scope="openid",
    nonce=None,
    user_id="ana",
    opener_id="s1",
    auth_time=0,
    session_id="s2",
)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Of one function. Its connections say so to Redis."""
    client = connect(f"{redis_url}?client_name={NAME}")
    client.flushdb()
    yield client
    client.close()


def test_a_warm_function_that_did_everything_holds_one_connection(
    client: redis.Redis, redis_url: str
) -> None:
    _everything(client)

    held = [one for one in connect(redis_url).client_list() if one["name"] == NAME]
    assert len(held) == 1


def _everything(client: redis.Redis) -> None:
    given = settings()
    connections = Connections(client, given)
    connections.open(ANA, "c1")
    connections.admit("c1")
    connections.note_pushed(["m1"], ["ana"])
    revocation = Revocation(client, given)
    revocation.check("ana", "s1", Use())
    revocation.unfinished([("ana", "s1")])
    throttle = Throttle(client, given.limits)
    throttle.anonymous(Use(limit="anonymous", address="192.0.2.1"))
    throttle.forget("ana", ["ana"])
    profiles = ProfileCache(client)
    profiles.keep([CARD])
    profiles.find(["ana"])
    PushThrottle(client).too_many([UnansweredPush("ana", "chat", "m1")])
    codes = Codes(client)
    codes.keep("text", CODE)
    codes.redeem("text", "board", CODE.challenge)
    Tickets(client, given).issue(ANA)
    Challenges(client, lambda: [b"key"]).use(b"challenge")
    IdTokenUses(client).use("token", 0)
    ExportLinks(client).issue(ANA)
    Queues(client).canaries.send(seconds=0)
