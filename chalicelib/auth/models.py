"""Who is calling, with which session; what signing in takes and gives."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from chalicelib.auth.fields import (
    Code,
    DeviceName,
    Email,
    Login,
    NewPassword,
    PasskeyFactor,
    Password,
    SecondFactor,
)
from chalicelib.auth.sessions.models import SessionId, ShownDevice, UserAgent
from chalicelib.clock import NOW, Time
from chalicelib.live.events import declare
from chalicelib.scopes import scopes_of
from chalicelib.users.devices import DeviceKey
from chalicelib.users.models import Address, Name, Username
from chalicelib.wire import PRINTABLE, Input, Model, Utc

LATELY = timedelta(hours=3)
"""No socket lives longer: what a session revoked before this has left open is closed by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a session is opened for, if not for our own clients and all that its user may do.
    `auth_time`: when the user signed in on the page where they allowed it."""

    session_id: str | None = None
    client_id: str | None = None
    scope: str | None = None
    seconds: int | None = None
    auth_time: datetime | None = None


OURS = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in device, with its refresh tokens: digests of the one issued last and of the one
    that was traded for it, the seed the last was derived with, and when that was. The roles are
    those of its user. `client_id`: the program of others that it was granted to, with `scope`, by a
    user who had signed in at `auth_time`; that is not known of old ones.

    `read_at`: when PostgreSQL read it. `drafted`: it is not stored yet. Then its times become those
    of PostgreSQL's clock; only how far they are apart counts."""

    id: str
    user_id: str
    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)
    seed: bytes | None = field(default=None, repr=False)
    rotated_at: datetime
    device_name: str | None
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    roles: frozenset[str] = frozenset()
    client_id: str | None = None
    scope: str | None = None
    auth_time: datetime | None = None
    read_at: datetime | None = field(default=None, compare=False)
    drafted: bool = field(default=False, compare=False)

    @property
    def opened_at(self) -> Time:
        """When it begins."""
        return NOW if self.drafted else self.created_at

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do now: what its user agreed to, and may still do themselves."""
        return scopes_of(self.roles, self.scope)

    @property
    def stands(self) -> bool:
        """Whether it did when it was read."""
        return self.stood(self.read_at or self.created_at)

    def stood(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at

    @property
    def revoked_lately(self) -> bool:
        """Whether it may have left a socket open, if closing it was cut short."""
        if self.revoked_at is None or self.read_at is None:
            return False
        return self.read_at < self.revoked_at + LATELY


class Registration(Input):
    """Makes an account, and signs in to it."""

    email: Email
    username: Username
    password: NewPassword
    display_name: Name
    device_name: DeviceName = None
    device_key: DeviceKey = None


class Credentials(Input):
    """Signs in. Where the answer is `second_factor_required`, send the same again with
    `second_factor` or `passkey`."""

    login: Login
    password: Password
    second_factor: SecondFactor = None
    passkey: PasskeyFactor = None
    device_name: DeviceName = None
    device_key: DeviceKey = None


class RefreshRequest(Input):
    """Trades a refresh token for fresh tokens."""

    refresh_token: Annotated[
        str,
        Field(
            min_length=1,
            max_length=256,
            repr=False,
            description="The newest one of the session.",
            examples=["bTsvN0h1eX…"],
        ),
    ]


class Proof(Input):
    """Where the account has a second factor, what asks for the password asks for that as well: give
    `second_factor` or `passkey`."""

    second_factor: SecondFactor = None
    passkey: PasskeyFactor = None


class PasswordChange(Proof):
    """Sets a new password, which signs out every other session."""

    current_password: Password
    new_password: NewPassword


MailToken = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        repr=False,
        description="The text after the = of the mailed link.",
        examples=["Jx4Yw0aX3bqQf2mVbq7Z1w"],
    ),
    PRINTABLE,
]
"""The text after the = of a mailed link."""


class EmailProof(Input):
    """Proves that one's address is one's own."""

    token: MailToken


class ResetRequest(Input):
    """Asks for a link to set a new password with. `username` picks one of several accounts that
    claim this address, while nobody has verified it."""

    email: Email
    username: Username | None = Field(
        None, description="Which account, where several claim this address."
    )


class PasswordReset(Input):
    """Sets a new password with a mailed link, which ends all sessions."""

    token: MailToken
    new_password: NewPassword


class PasswordProof(Proof):
    """Proves that it is the account's owner who asks."""

    password: Password


class EmailChange(PasswordProof):
    """Asks for another e-mail address. It takes the place of yours when you follow the link that is
    mailed to it. Asking for the address that you have ends a change that waits."""

    email: Annotated[Email, Field(description="The address that you want.")]


class SecondFactorCode(Input):
    """A code of the authenticator app that is being set up."""

    code: Annotated[Code, Field(repr=False, description="The code that the app shows now.")]


class SecondFactorState(Model):
    """Whether signing in asks for a second factor."""

    enabled: bool = Field(description="Whether signing in asks for one.")
    recovery_codes_left: int = Field(description="How many codes are not used yet.", examples=[10])


class SecondFactorSetup(Model):
    """What to give an authenticator app: the URI, as a link or QR code, or the secret by hand."""

    secret: str = Field(
        repr=False,
        description="To type into the app, in base32.",
        examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )
    uri: str = Field(
        repr=False,
        description="The same as a link or QR code.",
        examples=["otpauth://totp/Parley:ana?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )


class RecoveryCodeList(Model):
    """Each signs in once, in place of the authenticator app. Only this answer shows them."""

    recovery_codes: list[str] = Field(
        repr=False,
        description="Each may be used once, with or without its dashes.",
        examples=[["k3tq-7wzn-p2xa-m5hd"]],
    )


class NewSession(Model):
    """Somebody signed in to your account, on another device."""

    session_id: SessionId
    device_name: ShownDevice
    user_agent: UserAgent
    created_at: Utc = Field(description="When they signed in.")


SIGNED_IN = declare(
    "account.signed_in", NewSession, scope="account", first_party=True, tag="Account"
)


class EmailChanged(Model):
    """Your account has another e-mail address now, which is verified."""

    email: Address = Field(description="The new address.")


EMAIL_CHANGED = declare(
    "account.email_changed", EmailChanged, scope="account", first_party=True, tag="Account"
)
