"""Links to archives: Redis, and the stand-in for it, held to the same."""

import pytest
import redis

from chalicelib.exports.links import ExportLinks
from chalicelib.exports.models import LINK
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from tests.unit.exports.fakes import FakeExportLinks


class TestLinks:
    @pytest.fixture(params=["fake", "redis"])
    def links(self, request: pytest.FixtureRequest) -> ExportLinks:
        if request.param == "fake":
            return FakeExportLinks()
        return ExportLinks(request.getfixturevalue("client"))

    def test_name_their_user_each_time_they_are_opened(self, links: ExportLinks) -> None:
        ana = Identity(user_id=new_id(), session_id=new_id(), scopes=frozenset())

        ticket = links.issue(ana)

        assert [links.holder(ticket) for _ in range(2)] == [ana, ana]
        assert links.holder("unknown") is None
        assert links.issue(ana) != ticket

    def test_end_by_themselves_and_redis_sees_no_ticket(self, client: redis.Redis) -> None:
        ana = Identity(user_id=new_id(), session_id=new_id())

        ticket = ExportLinks(client).issue(ana)

        (key,) = client.keys()
        assert ticket not in f"{key!r} {client.get(key)!r}"
        assert 0 < client.ttl(key) <= LINK.total_seconds()
