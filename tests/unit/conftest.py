"""Accounts on stand-ins, and their routes."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from chalice import Chalice

from app import app as deployed
from chalicelib.admin.service import Admin
from chalicelib.auth.accounts import Accounts
from chalicelib.auth.confirmation import Confirmation
from chalicelib.auth.deletion import Deletion
from chalicelib.auth.google.models import GoogleStart
from chalicelib.auth.google.service import Google
from chalicelib.auth.google.tokens import GoogleKeys, GoogleTokens
from chalicelib.auth.models import Credentials, PasswordProof, Registration
from chalicelib.auth.passkeys.service import Passkeys
from chalicelib.auth.passkeys.webauthn import RelyingParty
from chalicelib.auth.password_changes import PasswordChanges
from chalicelib.auth.passwords import Passwords
from chalicelib.auth.recovery.email_changes import EmailChanges
from chalicelib.auth.recovery.models import ResetRequest
from chalicelib.auth.recovery.service import Recovery
from chalicelib.auth.second_factor.service import SecondFactor
from chalicelib.auth.sessions.models import SignedIn, Tokens
from chalicelib.auth.sessions.service import Auth
from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.config import Settings
from chalicelib.deps import deps
from chalicelib.identity import Identity, Source
from chalicelib.mail.models import Letter
from chalicelib.mail.service import Mails
from chalicelib.scopes import Role
from chalicelib.users.devices import Devices
from chalicelib.users.names import ReservedNames
from chalicelib.users.profiles import Users
from tests.unit.admin.fake_admin import FakeAdminStore
from tests.unit.auth.fake_accounts import FakeAccountStore, FakePersonalData
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.fakes import (
    PHONE,
    Clock,
    FakeRevocation,
    FakeSockets,
    FakeThrottle,
    FakeTickets,
    auth_settings,
)
from tests.unit.auth.google.fake_google import FakeGoogleStore, FakeUses
from tests.unit.auth.passkeys.fake_passkeys import FakeChallenges, FakePasskeyStore
from tests.unit.auth.recovery.fake_email import FakeEmailStore
from tests.unit.auth.second_factor.fake_second_factor import FakeSecondFactorStore
from tests.unit.auth.sessions.fake_sessions import FakeSessionStore
from tests.unit.edge.test_rest import call as call_app
from tests.unit.mail.fake_mail import FakeMailStore, FakeNoticeStore, FakeRecoveryStore, FakeSes
from tests.unit.users.fake_users import FakeDeviceStore, FakeProfileCache, FakeUserStore

PASSWORD = "correct horse"
ME = "/v1/users/me"
GOOGLE = GoogleStart(client_id="web", authorization_endpoint="https://google.example/auth")


class CountingPasswords(Passwords):
    """Counts the work that takes time."""

    hashed = 0
    verified = 0

    def hash(self, password: str) -> str:
        self.hashed += 1
        return super().hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.verified += 1
        return super().verify(password_hash, password)


@dataclass
class World:
    """Everything there is, and short ways to use it."""

    settings: Settings
    clock: Clock
    tables: Tables
    revocation: FakeRevocation
    throttle: FakeThrottle
    sockets: FakeSockets
    passwords: CountingPasswords
    users: Users
    devices: Devices
    auth: Auth
    accounts: Accounts
    confirmation: Confirmation
    password_changes: PasswordChanges
    deletion: Deletion
    admin: Admin
    recovery: Recovery
    email_changes: EmailChanges
    mails: Mails
    ses: FakeSes
    second_factor: SecondFactor
    passkeys: Passkeys
    challenges: FakeChallenges
    google: Google
    google_keys: dict[str, Any]

    def register(self, username: str = "ana", email: str | None = None) -> SignedIn:
        return self.accounts.register(
            Registration(
                email=email or f"{username}@example.org",
                username=username,
                password=PASSWORD,
                display_name=username.capitalize(),
            ),
            PHONE,
        )

    def login(
        self, login: str = "ana", password: str = PASSWORD, code: str | None = None
    ) -> SignedIn:
        credentials = Credentials(login=login, password=password, second_factor=code)
        return self.accounts.login(credentials, PHONE)

    def delete(self, identity: Identity, password: str = PASSWORD) -> None:
        self.deletion.delete(identity, PasswordProof(password=password))

    def request_reset(self, email: str, source: Source = PHONE, **more: str) -> None:
        self.recovery.request_reset(ResetRequest(email=email, **more), source)

    def told(self) -> list[str]:
        """Send what is due; the subjects of what was sent by that."""
        return [letter.subject for letter in self.mailed()]

    def mailed(self) -> list[Letter]:
        """Send what is due; what was sent by that."""
        before = len(self.ses.sent)
        self.mails.send_due()
        return self.ses.sent[before:]

    def verified(self, username: str = "ana", email: str | None = None) -> SignedIn:
        """Somebody who has verified their address."""
        signed_in = self.register(username, email)
        (letter,) = self.mailed()
        self.recovery.verify(self.identity(signed_in), token_in(letter))
        self.mailed()  # that it is
        self.clock.go(hours=1)  # so that this mail does not count any more
        self.throttle.taken.clear()
        return signed_in

    def staff(self, role: Role) -> SignedIn:
        """Somebody who was given a role, signed in since."""
        username = f"{role}_{len(self.tables.users)}"
        self.register(username)
        self.admin.appoint(username, role)
        return self.login(username)

    def refresh(self, token: str) -> Tokens:
        return self.auth.refresh(token, PHONE)

    def identity(self, signed_in: SignedIn) -> Identity:
        return self.auth.authenticate(f"Bearer {signed_in.access_token}")

    def stands(self, signed_in: SignedIn) -> bool:
        return self.auth.still_valid(
            Identity(user_id=signed_in.user.id, session_id=signed_in.session_id)
        )


def make_world(given: Settings) -> World:
    clock = Clock()
    tables = Tables(clock=clock)
    revocation, sockets, throttle = FakeRevocation(), FakeSockets(), FakeThrottle(given)
    passwords = CountingPasswords(given)
    store, tokens = FakeAccountStore(tables), AccessTokens(given)
    sessions, data = FakeSessionStore(tables), FakePersonalData(tables)
    names = ReservedNames(given.brands)
    users = Users(store=FakeUserStore(tables), cache=FakeProfileCache(), names=lambda: names)
    devices = Devices(store=FakeDeviceStore(tables), users=users)
    auth = Auth(
        given,
        revocation=revocation,
        tickets=FakeTickets(),
        tokens=lambda: tokens,
        store=lambda: sessions,
        throttle=lambda: throttle,
        sockets=lambda: sockets,
    )
    confirmation = Confirmation(
        store=store,
        passwords=passwords,
        throttle=throttle,
        second_factor=lambda: second_factor,
        passkeys=lambda: passkeys,
    )
    accounts = Accounts(
        store=store,
        passwords=passwords,
        throttle=throttle,
        auth=auth,
        users=users,
        confirmation=confirmation,
        names=names,
    )
    password_changes = PasswordChanges(
        store=store, passwords=passwords, confirmation=confirmation, auth=auth, users=users
    )
    deletion = Deletion(
        erase=data.erase,
        throttle=throttle,
        confirmation=confirmation,
        auth=auth,
        users=users,
        forget_presence=sockets.forgotten.append,
    )
    second_factor = SecondFactor(
        store=FakeSecondFactorStore(tables),
        throttle=throttle,
        users=users,
        confirm=confirmation.confirm,
    )
    challenges = FakeChallenges()
    party = RelyingParty(given.passkey_rp_id, given.origins_of_passkeys)
    passkeys = Passkeys(
        store=FakePasskeyStore(tables),
        challenges=challenges,
        relying_party=lambda: party if given.passkey_origins else None,
        accounts=accounts,
        confirm=confirmation.confirm,
        throttle=throttle,
        users=users,
    )
    google_keys: dict[str, Any] = {"keys": []}
    google = Google(
        start=GOOGLE,
        tokens=lambda: GoogleTokens(
            GoogleKeys(lambda: (200, json.dumps(google_keys).encode())), client_ids=("web",)
        ),
        uses=FakeUses(),
        store=FakeGoogleStore(tables),
        accounts=accounts,
        confirmation=confirmation,
        auth=auth,
        passwords=passwords,
        throttle=throttle,
        names=names,
    )
    admin = Admin(store=FakeAdminStore(tables), auth=auth, users=users)
    mail_store, ses = FakeMailStore(tables), FakeSes()
    wanted = FakeEmailStore(tables)
    email_changes = EmailChanges(
        store=wanted, confirmation=confirmation, throttle=throttle, users=users, sockets=sockets
    )
    recovery = Recovery(
        given,
        store=FakeRecoveryStore(tables),
        queue=mail_store.add,
        throttle=throttle,
        passwords=lambda: passwords,
        auth=auth,
        users=users,
        changes=lambda: email_changes,
        wanted=wanted,
    )
    mails = Mails(
        given,
        store=mail_store,
        notices=FakeNoticeStore(tables),
        ses=ses,
        throttle=throttle,
        letters=recovery.letters,
    )
    return World(
        settings=given,
        clock=clock,
        tables=tables,
        revocation=revocation,
        throttle=throttle,
        sockets=sockets,
        passwords=passwords,
        users=users,
        devices=devices,
        auth=auth,
        accounts=accounts,
        confirmation=confirmation,
        password_changes=password_changes,
        deletion=deletion,
        admin=admin,
        recovery=recovery,
        email_changes=email_changes,
        mails=mails,
        ses=ses,
        second_factor=second_factor,
        passkeys=passkeys,
        challenges=challenges,
        google=google,
        google_keys=google_keys,
    )


def token_in(letter: Letter) -> str:
    """What the link in a mail ends with."""
    return letter.text.partition("=")[2].split()[0]


@pytest.fixture
def world() -> World:
    return make_world(auth_settings())


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> Chalice:
    return serve(world, monkeypatch)


def serve(world: World, monkeypatch: pytest.MonkeyPatch) -> Chalice:
    """The deployed routes, over this world."""
    for name in (
        "settings",
        "auth",
        "accounts",
        "confirmation",
        "password_changes",
        "deletion",
        "users",
        "devices",
        "admin",
        "recovery",
        "email_changes",
        "mails",
        "second_factor",
        "passkeys",
        "google",
        "throttle",
    ):
        monkeypatch.setitem(vars(deps), name, getattr(world, name))
    monkeypatch.setitem(vars(deps), "google_start", GOOGLE)
    return deployed


def call(
    app: Chalice,
    route: str,
    body: Any = None,
    by: SignedIn | None = None,
    *,
    query: Any = None,
    **parameters: Any,
) -> tuple[int, Any]:
    status, _, answer = call_app(
        app,
        route,
        token=by.access_token if by else None,
        body=json.dumps(body) if body is not None else None,
        query=query,
        **parameters,
    )
    return status, answer
