"""Which sessions are valid: Redis, and the stand-in for it, held to the same."""

import pytest
import redis

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable
from tests.contract.accounts import RoundTrips
from tests.contract.auth.revoking import DEFAULT, revoke
from tests.unit.auth.fakes import (
    FakeRevocation,
    auth_settings,
)


class TestRevocation:
    @pytest.fixture(params=["fake", "redis"])
    def revocation(self, request: pytest.FixtureRequest) -> Revocation:
        if request.param == "fake":
            return FakeRevocation()
        return Revocation(request.getfixturevalue("client"), auth_settings())

    def test_an_unknown_session_has_no_state(self, revocation: Revocation) -> None:
        assert revocation.check("ana", "s1", DEFAULT).stands is None
        assert revocation.stands("ana", "s1") is None

    def test_remembers_what_was_confirmed(self, revocation: Revocation) -> None:
        assert revocation.confirm("ana", "s1")

        assert revocation.check("ana", "s1", DEFAULT).stands is True
        assert revocation.stands("ana", "s1") is True
        assert revocation.stands("ana", "s2") is None
        assert revocation.stands("bo", "s1") is None

    def test_remembers_what_was_revoked(self, revocation: Revocation) -> None:
        revocation.confirm("ana", "s1")
        revoke(revocation, "ana", ["s1", "s2"])

        for session_id in ("s1", "s2"):
            assert revocation.check("ana", session_id, DEFAULT).stands is False
            assert revocation.stands("ana", session_id) is False

    def test_a_late_confirmation_does_not_undo_a_revoke(self, revocation: Revocation) -> None:
        revoke(revocation, "ana", ["s1"])

        assert not revocation.confirm("ana", "s1")
        assert revocation.stands("ana", "s1") is False

    def test_a_repeated_confirmation_does_no_harm(self, revocation: Revocation) -> None:
        assert revocation.confirm("ana", "s1")
        assert revocation.confirm("ana", "s1")


class TestRevocationOnRedis:
    def test_a_check_is_one_round_trip(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.confirm("ana", "s1")
        revocation.check("ana", "s1", DEFAULT)  # loads the script
        trips = RoundTrips(client, monkeypatch)

        revocation.check("ana", "s1", DEFAULT)
        assert trips.count == 1
        revocation.stands("ana", "s1")
        assert trips.count == 2

    def test_survives_a_server_that_lost_its_scripts(self, client: redis.Redis) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.confirm("ana", "s1")
        client.script_flush()

        assert revocation.check("ana", "s1", DEFAULT).stands is True

    def test_keys_of_a_user_are_on_one_slot(self, client: redis.Redis) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.confirm("ana", "s1")
        revocation.check("ana", "s1", DEFAULT)

        assert sorted(client.keys()) == [
            "rate:{ana}:default:session:s1",
            "rate:{ana}:default:user:",
            "session:{ana}:s1",
        ]

    def test_a_tombstone_outlives_every_token_and_everything_expires(
        self, client: redis.Redis
    ) -> None:
        revocation = Revocation(client, auth_settings(access_token_seconds=900))
        revocation.confirm("ana", "s1")
        revocation.check("ana", "s1", DEFAULT)
        revoke(revocation, "ana", ["s2"])

        assert 0 < client.ttl("session:{ana}:s1") <= 900
        assert 900 < client.ttl("session:{ana}:s2") <= 960
        assert client.pttl("rate:{ana}:default:session:s1") != -1  # for ever

    def test_no_server_no_entry(self) -> None:
        revocation = Revocation(connect("redis://127.0.0.1:1"), auth_settings())

        with pytest.raises(Unavailable):
            revocation.check("ana", "s1", DEFAULT)
        for ask in (revocation.stands, revocation.confirm):
            with pytest.raises(Unavailable):
                ask("ana", "s1")
        with pytest.raises(Unavailable):
            revocation.unfinished([("ana", "s1")])
