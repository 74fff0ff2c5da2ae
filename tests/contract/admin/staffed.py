"""What the contract tests of admins share: the stores, and the service over them."""

from dataclasses import dataclass

from chalicelib.admin.service import Admin
from chalicelib.admin.store import AdminStore
from chalicelib.auth.sessions.service import Auth
from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.drivers.postgres import Postgres
from chalicelib.identity import Source
from chalicelib.scopes import Role
from chalicelib.users.models import Profile
from chalicelib.users.names import ReservedNames
from chalicelib.users.profiles import Users
from tests.contract.accounts import (
    NOW,
    Stores,
    fake,
    real,
)
from tests.unit.admin.fake_admin import FakeAdminStore
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.fakes import (
    FakeRevocation,
    FakeSockets,
    FakeThrottle,
    FakeTickets,
    auth_settings,
)
from tests.unit.users.fake_users import FakeProfileCache

DESK = Source(address="192.0.2.77", user_agent="Desk/1")


SETTINGS = auth_settings()


@dataclass
class Staffed(Stores):
    """All stores over the same tables."""

    admin: AdminStore

    def holder(self, *roles: Role) -> Profile:
        """A new user who has these roles."""
        user, _ = self.account()
        for role in roles:
            self.grant(user, role)
        return user

    def grant(self, user: Profile, role: Role) -> None:
        with self.admin.act(None, user.id):
            self.admin.grant(user.id, role, NOW)

    def suspend(self, user: Profile, reason: str = "Spam") -> None:
        with self.admin.act(None, user.id):
            self.admin.suspend(user.id, reason, NOW)

    def service(self) -> Admin:
        """The service over these stores, with stand-ins for Redis."""
        tokens, throttle = AccessTokens(SETTINGS), FakeThrottle(SETTINGS)
        auth = Auth(
            SETTINGS,
            revocation=FakeRevocation(),
            tickets=FakeTickets(),
            tokens=lambda: tokens,
            store=lambda: self.sessions,
            throttle=lambda: throttle,
            sockets=FakeSockets,
        )
        users = Users(store=self.users, cache=FakeProfileCache(), names=ReservedNames)
        return Admin(store=self.admin, auth=auth, users=users)


def over(postgres: Postgres) -> Staffed:
    return Staffed(*real(postgres), AdminStore(postgres))


def fakes() -> Staffed:
    tables = Tables()
    return Staffed(*fake(tables), FakeAdminStore(tables))
