"""Two transactions about one user never wait for each other: PostgreSQL alone."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
import pytest

from chalicelib.admin.store import AdminStore
from chalicelib.auth.google.store import GoogleStore
from chalicelib.auth.passkeys.models import Passkey
from chalicelib.auth.passkeys.store import PasskeyStore
from chalicelib.auth.recovery.email_store import EmailStore
from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.auth.second_factor.store import SecondFactorStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.ids import new_id
from chalicelib.mail.models import Purpose
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.store import ClientStore
from chalicelib.oauth.consents.store import ConsentStore
from chalicelib.users.device_models import PushToken
from tests.contract.accounts import (
    NOW,
    Stores,
    connecting,
    profile,
    real,
    session_of,
    wait_until_blocked,
)

DAY = timedelta(days=1)


@dataclass
class All(Stores):
    """All stores that write rows of a user, over one connection."""

    admin: AdminStore
    passkeys: PasskeyStore
    google: GoogleStore
    factors: SecondFactorStore
    recovery: RecoveryStore
    emails: EmailStore
    clients: ClientStore
    consents: ConsentStore


def over(postgres: Postgres) -> All:
    base = real(postgres)
    return All(
        *base,
        AdminStore(postgres),
        PasskeyStore(postgres),
        GoogleStore(postgres, base.accounts),
        SecondFactorStore(postgres),
        RecoveryStore(postgres, base.sessions),
        EmailStore(postgres),
        ClientStore(postgres),
        ConsentStore(postgres),
    )


@pytest.fixture
def connect(postgres_url: str) -> Iterator[Callable[[], All]]:
    yield from connecting(postgres_url, over)


def new_digest() -> bytes:
    return secrets.token_bytes(32)


class Person(NamedTuple):
    """A user who has a row in each table, and what names those rows."""

    user_id: str
    session_id: str
    passkey_id: str
    subject: str
    client_id: str
    code: bytes
    links: dict[Purpose, bytes]
    address: str

    @classmethod
    def made(cls, stores: All) -> "Person":
        user = profile()
        session, subject = session_of(user.id), secrets.token_hex(8)
        assert stores.google.add(user, "hash", session, subject)
        verified = new_digest()
        purposes: tuple[Purpose, ...] = ("verify", "reset", "change")
        person = cls(
            user.id,
            session.id,
            new_id(),
            subject,
            new_id(),
            new_digest(),
            {one: new_digest() for one in purposes},
            f"{secrets.token_hex(6)}@example.org",
        )
        # Only a verified address gets notices, whose rows name the user.
        assert keep(stores, person, "verify", verified)
        assert stores.recovery.verify(user.id, verified, NOW)
        stores.passkeys.add(
            Passkey(person.passkey_id, user.id, new_digest(), b"key", 0), "Laptop", NOW
        )
        assert stores.factors.propose(user.id, "secret")
        assert stores.factors.confirm(user.id, "secret", 1, [person.code], NOW)
        stores.clients.add(
            OAuthClient(
                id=person.client_id,
                name="Shop",
                secret_digest=None,
                redirect_uris=["https://shop.example.org/back"],
                post_logout_redirect_uris=[],
                scopes=["openid"],
                created_at=NOW,
            )
        )
        remember(stores, person)
        assert stores.emails.ask(user.id, person.address, checked="hash", good_for=DAY, now=NOW)
        push(stores, person)
        for purpose, digest in person.links.items():
            assert keep(stores, person, purpose, digest)
        return person


def keep(stores: All, person: Person, purpose: Purpose, digest: bytes) -> bool:
    recipient = stores.recovery.recipient(person.user_id)
    assert recipient is not None
    if purpose == "change":
        recipient = recipient._replace(address=person.address)
    return stores.recovery.keep_link(
        recipient, purpose, digest, good_for=DAY, fresh=timedelta(0), now=NOW
    )


def push(stores: All, person: Person, device_id: str = "phone") -> None:
    token = PushToken(token=f"token-{person.user_id}", platform="android")
    stores.devices.add_push_token(person.user_id, person.session_id, device_id, token, NOW)


def by_passkey(stores: All, who: Person) -> object:
    session = session_of(who.user_id)
    return stores.accounts.open_by_passkey(session, who.passkey_id, known=False)


def by_google(stores: All, who: Person) -> object:
    return stores.accounts.open_by_google(session_of(who.user_id), who.subject, known=False)


def by_password(stores: All, who: Person) -> object:
    return stores.accounts.open_session(session_of(who.user_id), "hash", known=False)


def for_program(stores: All, who: Person) -> object:
    session = session_of(who.user_id, client_id=who.client_id, scope="openid")
    return stores.sessions.open_from(session, who.session_id)


def remember(stores: All, who: Person) -> None:
    stores.consents.remember(
        who.user_id, who.client_id, ["openid"], session_id=who.session_id, now=NOW
    )


def remember_another(stores: All, who: Person) -> None:
    stores.consents.forget(who.user_id, who.client_id)
    remember(stores, who)


ACTS: dict[str, Callable[[All, Person], object]] = {
    "signs in by a passkey": by_passkey,
    "signs in by Google": by_google,
    "signs in by a password": by_password,
    "opens a session for a program": for_program,
    "allows a program again": remember,
    "allows a program": remember_another,
    "removes a passkey": lambda s, who: s.passkeys.remove(who.user_id, who.passkey_id, NOW),
    "unlinks Google": lambda s, who: s.google.unlink(who.user_id, NOW),
    "uses a recovery code": lambda s, who: s.factors.use_code(who.user_id, who.code, NOW),
    "renews recovery codes": lambda s, who: s.factors.replace_codes(who.user_id, [b"new"], NOW),
    "turns the second factor off": lambda s, who: s.factors.remove(who.user_id, NOW),
    "verifies the address": lambda s, who: s.recovery.verify(who.user_id, who.links["verify"], NOW),
    "resets the password": lambda s, who: s.recovery.reset_password(
        who.links["reset"], "reset", NOW
    ),
    "changes the address": lambda s, who: s.emails.complete(who.user_id, who.links["change"], NOW),
    "is mailed a link to another address": lambda s, who: keep(s, who, "change", new_digest()),
    "is mailed a link to reset": lambda s, who: keep(s, who, "reset", new_digest()),
    "has a device pushed to": push,
    "moves a push token to another device": lambda s, who: push(s, who, "tablet"),
}


def erase(stores: All, who: Person) -> object:
    return stores.data.erase(who.user_id, NOW, checked="hash")


def suspend(stores: All, who: Person) -> object:
    with stores.admin.act(None, who.user_id):
        stores.admin.suspend(who.user_id, "spam", NOW)
        return stores.sessions.revoke_all(who.user_id, but=None, now=NOW)


def reset(stores: All, who: Person) -> object:
    return stores.recovery.reset_password(who.links["reset"], "reset", NOW)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("end", [erase, suspend, reset])
def test_two_transactions_about_one_user_do_not_wait_for_each_other(
    connect: Callable[[], All],
    postgres_url: str,
    end: Callable[[All, Person], Any],
    act: str,
) -> None:
    """Both wait for the row of the user, `end` first. Then `end` goes on to the rows that `act`
    needs: `act` must not have locked them yet."""
    first, second = connect(), connect()
    who = Person.made(first)

    with (
        ThreadPoolExecutor(2) as pool,
        psycopg.connect(postgres_url, autocommit=True) as watch,
        psycopg.connect(postgres_url) as gate,
    ):
        gate.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [who.user_id])
        ended = pool.submit(end, first, who)
        wait_until_blocked(watch, "users")
        acted = pool.submit(ACTS[act], second, who)
        wait_until_blocked(watch, "", many=2)
        gate.rollback()

        assert ended.result(10) is not None
        acted.result(10)
