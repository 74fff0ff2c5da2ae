"""Changes of registered programs: the same tests for PostgreSQL and for its stand-in."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.store import ClientStore
from tests.contract.accounts import migrated
from tests.contract.programs import program
from tests.faults.lossy import Loss, LossyProxy
from tests.unit.oauth.fakes import FakeClientStore

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
"""The server decides by its own clock which secrets are valid."""


@dataclass
class Editing:
    """A store, and short ways to use it."""

    clients: ClientStore

    def client(self, **changes: Any) -> OAuthClient:
        made = program(secret_digest=b"1", **changes)
        self.clients.add(made)
        return made

    def read(self, client: OAuthClient) -> OAuthClient:
        found = self.clients.get(client.id)
        assert found is not None
        return found

    def rotate(self, client: OAuthClient, digest: bytes, *, now: datetime = NOW) -> None:
        self.clients.rotate(client.id, digest, kept=7 * DAY, now=now)

    def use(self, client: OAuthClient, digest: bytes | None, *, now: datetime = NOW) -> None:
        self.clients.note_use(client.id, digest, every=HOUR, now=now)

    def secrets(self, client: OAuthClient) -> tuple[bytes | None, bytes | None]:
        found = self.read(client)
        return found.secret_digest, found.former_digest


def over(postgres: Postgres) -> Editing:
    return Editing(ClientStore(postgres))


def fakes() -> Editing:
    return Editing(FakeClientStore(lambda: NOW))


def test_an_update_changes_one_client_only(stores: Editing) -> None:
    client, other = stores.client(), stores.client()
    changed = replace(
        client,
        name="Chess",
        redirect_uris=["https://chess.example/back"],
        post_logout_redirect_uris=["https://chess.example/bye"],
        scopes=["openid"],
        require_pkce=False,
        claims_in_id_token=True,
    )
    stores.clients.update(changed)

    assert stores.read(client) == changed
    assert stores.read(other) == other


def test_an_update_does_not_restore_a_deleted_client(stores: Editing) -> None:
    client = stores.client()
    stores.rotate(client, b"2")
    stores.clients.delete(client.id, NOW)
    stores.clients.update(client)
    stores.clients.end_former(client.id)

    assert stores.clients.get(client.id) is None


class TestSecrets:
    def test_the_former_is_valid_for_a_while(self, stores: Editing) -> None:
        client = stores.client()
        stores.rotate(client, b"2")

        assert stores.secrets(client) == (b"2", b"1")
        assert stores.read(client).former_until == NOW + 7 * DAY

    def test_the_former_expires(self, stores: Editing) -> None:
        client = stores.client()
        stores.rotate(client, b"2", now=NOW - 8 * DAY)

        assert stores.secrets(client) == (b"2", None)
        assert stores.read(client).former_until is None

    def test_can_be_ended(self, stores: Editing) -> None:
        client = stores.client()
        stores.rotate(client, b"2")
        for _ in range(2):
            stores.clients.end_former(client.id)

        assert stores.secrets(client) == (b"2", None)
        assert stores.read(client).former_used_at is None

    def test_a_newer_one_that_was_used_replaces_the_former(self, stores: Editing) -> None:
        client = stores.client()
        stores.rotate(client, b"2")
        stores.use(client, b"2")
        stores.rotate(client, b"3", now=NOW + HOUR)

        assert stores.secrets(client) == (b"3", b"2")
        assert stores.read(client).former_until == NOW + HOUR + 7 * DAY

    def test_a_newer_one_that_nobody_has_used_leaves_the_former(self, stores: Editing) -> None:
        client = stores.client()
        stores.use(client, b"1")
        stores.rotate(client, b"2")
        stores.use(client, b"1")
        stores.rotate(client, b"3", now=NOW + HOUR)

        assert stores.secrets(client) == (b"3", b"1")
        assert stores.read(client).former_until == NOW + 7 * DAY

    def test_an_expired_one_is_not_restored(self, stores: Editing) -> None:
        client = stores.client()
        stores.rotate(client, b"2", now=NOW - 8 * DAY)
        stores.rotate(client, b"3")

        assert stores.secrets(client) == (b"3", b"2")

    def test_a_public_client_gets_none(self, stores: Editing) -> None:
        client = program(secret_digest=None)
        stores.clients.add(client)
        stores.rotate(client, b"2")

        assert stores.secrets(client) == (None, None)

    def test_two_rotations_at_once_leave_two_secrets(self, connect: Callable[[], Editing]) -> None:
        one, two = connect(), connect()
        for number in range(10):
            client = one.client()
            made = [f"{number} {letter}".encode() for letter in "ab"]
            with ThreadPoolExecutor(2) as pool:
                list(
                    pool.map(
                        lambda who, digest, client=client: who.rotate(client, digest),
                        [one, two],
                        made,
                    )
                )

            current, former = one.secrets(client)
            assert current in made
            assert former == b"1"


class TestLastUse:
    def test_is_of_the_secret_that_was_shown(self, stores: Editing) -> None:
        client = stores.client()
        stores.use(client, b"1", now=NOW - 3 * HOUR)
        stores.rotate(client, b"2")
        found = stores.read(client)
        assert (found.used_at, found.former_used_at) == (None, NOW - 3 * HOUR)
        stores.use(client, b"2", now=NOW)

        found = stores.read(client)
        assert (found.used_at, found.former_used_at) == (NOW, NOW - 3 * HOUR)
        stores.use(client, b"1", now=NOW)
        assert stores.read(client).former_used_at == NOW

    def test_is_exact_to_an_hour(self, stores: Editing) -> None:
        client = stores.client()
        for minutes in (0, 30, 60, 61, 90):
            stores.use(client, b"1", now=NOW + timedelta(minutes=minutes))

        assert stores.read(client).used_at == NOW + timedelta(minutes=61)

    def test_an_unknown_secret_is_not_noted(self, stores: Editing) -> None:
        client = stores.client()
        for digest in (b"0", None):
            stores.use(client, digest)

        assert stores.read(client).used_at is None

    def test_is_noted_for_public_clients(self, stores: Editing) -> None:
        client = program(secret_digest=None)
        stores.clients.add(client)
        stores.use(client, None)

        assert stores.read(client).used_at == NOW
        stores.use(client, None, now=NOW + 2 * HOUR)
        assert stores.read(client).used_at == NOW + 2 * HOUR


def test_without_postgresql_everything_is_unavailable() -> None:
    stores = over(Postgres("postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(Unavailable):
        stores.clients.update(program())
    with pytest.raises(Unavailable):
        stores.clients.rotate(new_id(), b"2", kept=DAY, now=NOW)
    with pytest.raises(Unavailable):
        stores.clients.note_use(new_id(), b"2", every=HOUR, now=NOW)


def test_a_rotation_whose_answer_is_lost_may_be_repeated(postgres_url: str) -> None:
    proxy = LossyProxy(migrated(postgres_url))
    postgres = Postgres(proxy.url)
    stores = over(postgres)
    client = stores.client()
    with (
        proxy.losing(Loss(lambda answer: answer == 1, random.Random(), silent=False)) as loss,
        pytest.raises(Unavailable),
    ):
        stores.rotate(client, b"2")
    assert loss.lost == 1
    stores.rotate(client, b"3")

    assert stores.secrets(client) == (b"3", b"1")
    postgres.close()
    proxy.close()
