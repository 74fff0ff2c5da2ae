"""Each change of how an account is signed in to makes a notice: on PostgreSQL and on fakes."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.auth.google.store import GoogleStore
from chalicelib.auth.passkeys.models import Passkey
from chalicelib.auth.passkeys.store import PasskeyStore
from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.auth.second_factor.store import SecondFactorStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.ids import new_id
from chalicelib.mail.notices import NoticeStore
from chalicelib.users.models import Profile
from tests.contract.accounts import MONTH, NOW, Stores, fake, real
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.google.fake_google import FakeGoogleStore
from tests.unit.auth.passkeys.fake_passkeys import FakePasskeyStore
from tests.unit.auth.second_factor.fake_second_factor import FakeSecondFactorStore
from tests.unit.mail.fake_mail import FakeNoticeStore, FakeRecoveryStore


@dataclass
class Told(Stores):
    """The stores that change how an account is signed in to, over the same tables."""

    factors: SecondFactorStore
    passkeys: PasskeyStore
    google: GoogleStore
    recovery: RecoveryStore
    notices: NoticeStore

    def verified(self) -> Profile:
        """A user with a verified address, who already got the notice about that."""
        user, _ = self.account()
        recipient, digest = self.recovery.recipient(user.id), secrets.token_bytes(32)
        assert recipient is not None
        self.recovery.keep_link(recipient, "verify", digest, good_for=MONTH, fresh=MONTH, now=NOW)
        assert self.recovery.verify(user.id, digest, NOW)
        assert self.told(user.id) == ["address_verified"]
        return user

    def told(self, user_id: str) -> list[str]:
        """The kinds of notices that wait for a user; each is returned once."""
        claimed = self.notices.claim(NOW, delays=[60], limit=10_000)
        found = [one for one in claimed if one.user_id == user_id]
        self.notices.remove(found)
        return [one.kind for one in found]


def over(postgres: Postgres) -> Told:
    base = real(postgres)
    return Told(
        *base,
        SecondFactorStore(postgres),
        PasskeyStore(postgres),
        GoogleStore(postgres, base.accounts),
        RecoveryStore(postgres, base.sessions),
        NoticeStore(postgres),
    )


def fakes() -> Told:
    tables = Tables()
    return Told(
        *fake(tables),
        FakeSecondFactorStore(tables),
        FakePasskeyStore(tables),
        FakeGoogleStore(tables),
        FakeRecoveryStore(tables),
        FakeNoticeStore(tables),
    )


def test_a_second_factor(stores: Told) -> None:
    user_id, other = stores.verified().id, stores.account()[0].id
    for one in (user_id, other):
        stores.factors.propose(one, "SECRET")
        stores.factors.remove(one, NOW)  # before it was in force
        stores.factors.propose(one, "SECRET")
        stores.factors.confirm(one, "OTHER", 1, [b"a"], NOW)
    assert stores.told(user_id) == []

    steps: list[tuple[Callable[[str], object], list[str]]] = [
        (lambda one: stores.factors.confirm(one, "SECRET", 1, [b"a"], NOW), ["second_factor_on"]),
        (lambda one: stores.factors.replace_codes(one, [b"b"], NOW), ["recovery_codes_made"]),
        (lambda one: stores.factors.use_code(one, b"a", NOW), []),
        (lambda one: stores.factors.use_code(one, b"b", NOW), ["recovery_code_used"]),
        (lambda one: stores.factors.use_step(one, 2), []),
        (lambda one: stores.factors.remove(one, NOW), ["second_factor_off"]),
        (lambda one: stores.factors.remove(one, NOW), []),
        (lambda one: stores.factors.replace_codes(one, [b"b"], NOW), []),
    ]
    for change, told in steps:
        change(user_id)
        change(other)  # whose address is not verified
        assert (stores.told(user_id), stores.told(other)) == (told, [])


def test_a_passkey(stores: Told) -> None:
    user_id = stores.verified().id
    made = Passkey(new_id(), user_id, secrets.token_bytes(32), b"key", 0)

    stores.passkeys.add(made, "Laptop", NOW)
    assert stores.told(user_id) == ["passkey_added"]

    stores.passkeys.rename(user_id, made.id, "Desk")
    assert not stores.passkeys.remove(stores.account()[0].id, made.id, NOW)
    assert stores.told(user_id) == []
    for told in (["passkey_removed"], []):
        stores.passkeys.remove(user_id, made.id, NOW)
        assert stores.told(user_id) == told


def test_a_google_account(stores: Told) -> None:
    user_id, subject = stores.verified().id, secrets.token_hex(8)

    for told in (["google_linked"], []):
        assert stores.google.link(user_id, subject, NOW)
        assert stores.told(user_id) == told
    for told in (["google_unlinked"], []):
        stores.google.unlink(user_id, NOW)
        assert stores.told(user_id) == told
