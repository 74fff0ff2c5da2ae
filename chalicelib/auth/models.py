"""Who is calling, with which session; what signing in takes and gives."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from chalicelib.addresses import MAX_ADDRESS, canonical
from chalicelib.auth.passkey_models import PasskeyAnswer
from chalicelib.auth.scopes import SCOPES, scopes_of
from chalicelib.clock import NOW, Time
from chalicelib.sentences import said, wrong
from chalicelib.socket_events import declare
from chalicelib.users.models import Address, DeviceKey, Name, Profile, Username
from chalicelib.wire import PRINTABLE, STRIPPED, Id, Input, Limit, Model, Utc

LATELY = timedelta(hours=3)
"""No socket lives longer: what a session revoked before this has left open is closed by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An authenticated caller: a user, the session it signed in with, what it may do."""

    user_id: str
    session_id: str
    scopes: frozenset[str] = SCOPES["user"]
    client_id: str | None = None
    connection_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An authenticated caller that is not a user: a registered program in its own name."""

    id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a request comes from, as the gateway saw it; never taken from forwarded headers."""

    address: str
    user_agent: str


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


def canonical_login(typed: str) -> str:
    """A username or an address in the one form in which it is stored. What is neither stays as it
    is, and is nobody's."""
    text = typed.strip()
    if "@" not in text:  # letters of no alphabet but ours have a lower case in ASCII: U+212A is one
        return text.lower() if text.isascii() else text
    try:
        return canonical(text)
    except ValueError:
        return text


def _login(value: Any) -> Any:
    return canonical_login(value) if isinstance(value, str) else value


def _opaque(value: Any) -> Any:
    # Whatever keyboard typed it: the same letters must make the same password.
    if not isinstance(value, str):
        return value
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in value)
    return unicodedata.normalize("NFC", spaced)


def _password(value: str) -> str:
    if any(unicodedata.category(char) == "Cc" for char in value):
        raise wrong(
            "control_characters",
            "A password cannot have line breaks, tabs or other control characters.",
        )
    if len(value.encode()) > 1024:
        raise wrong("too_many_bytes", "Use a shorter password: at most 1,024 bytes.", max=1024)
    return value


Email = Annotated[
    str,
    Field(max_length=MAX_ADDRESS, repr=False),
    STRIPPED,
    AfterValidator(canonical),
]
"""An address, canonical: what differs in case alone is one mailbox nearly everywhere."""

Password = Annotated[
    str,
    Field(min_length=1, max_length=1024, repr=False),
    BeforeValidator(_opaque),
    AfterValidator(_password),
]
"""A password to check, as RFC 8265 prepares it (OpaqueString, section 4.2): each kind of space is
U+0020, the rest is in NFC, and control characters are refused. `Passwords` says what a new one must
fulfil besides."""

NewPassword = Annotated[
    str,
    Field(min_length=10, max_length=1024, repr=False),
    BeforeValidator(_opaque),
    AfterValidator(_password),
]

DeviceName = Name | None


def _code(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > MAX_TYPED:
        return value
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char.lower()
        for char in unicodedata.normalize("NFKC", value)
        if char.isdecimal() or char.isalpha()
    )


MAX_TYPED = 64
"""A code with all that people may put between its characters."""

Code = Annotated[
    str,
    Field(pattern=r"^([0-9]{6}|[a-z2-7]{16})$"),
    BeforeValidator(_code),
    said(
        "not_a_code", "A code of the app has 6 digits. A recovery code has 16 letters and digits."
    ),
]
"""Six digits of an authenticator app, or a recovery code. Digits of any script count as 0-9;
whatever is neither a letter nor a digit does not count."""


class Registration(Input):
    """Makes an account, and signs in to it."""

    email: Email
    username: Username
    password: NewPassword
    display_name: Name
    device_name: DeviceName = None
    device_key: DeviceKey = None


class Credentials(Input):
    """Signs in. `login` is the username or the verified e-mail address, in any case. Where the
    answer is `second_factor_required`, send the same again with a code as `second_factor`, or with
    what a passkey makes of the answer's `passkey` as that."""

    login: Annotated[
        str, Field(min_length=1, max_length=254, repr=False), BeforeValidator(_login), PRINTABLE
    ]
    password: Password
    second_factor: Annotated[Code | None, Field(repr=False)] = None
    passkey: PasskeyAnswer | None = None
    device_name: DeviceName = None
    device_key: DeviceKey = None


class RefreshRequest(Input):
    """Trades a refresh token for fresh tokens."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=256, repr=False)]


class Proof(Input):
    """Where the account has a second factor, what asks for the password asks for that as well: give
    a code as `second_factor`, or what a passkey makes of the `passkey` of the answer
    `second_factor_required` as that."""

    second_factor: Annotated[Code | None, Field(repr=False)] = None
    passkey: PasskeyAnswer | None = None


class PasswordChange(Proof):
    """Sets a new password, which signs out every other session."""

    current_password: Password
    new_password: NewPassword


MailToken = Annotated[str, Field(min_length=1, max_length=128, repr=False), PRINTABLE]
"""The text after the = of a mailed link."""


class EmailProof(Input):
    """Proves that one's address is one's own."""

    token: MailToken


class ResetRequest(Input):
    """Asks for a link to set a new password with. `username` picks one of several accounts that
    claim this address, while nobody has verified it."""

    email: Email
    username: Username | None = None


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

    email: Email


class SecondFactorCode(Input):
    """A code of the authenticator app that is being set up."""

    code: Annotated[Code, Field(repr=False)]


class SecondFactorState(Model):
    """Whether signing in asks for a second factor."""

    enabled: bool
    recovery_codes_left: int


class Enrolment(Model):
    """What to give an authenticator app: the URI, as a link or QR code, or the secret by hand."""

    secret: Annotated[str, Field(repr=False)]
    uri: Annotated[str, Field(repr=False)]


class RecoveryCodes(Model):
    """Each signs in once, in place of the authenticator app. Only this answer shows them."""

    recovery_codes: Annotated[list[str], Field(repr=False)]


class Tokens(Model):
    """What a client keeps: a short-lived access token, and a refresh token to get the next."""

    session_id: str
    access_token: Annotated[str, Field(repr=False)]
    refresh_token: Annotated[str, Field(repr=False)]
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int


class SignedIn(Tokens):
    """The answer to signing in."""

    user: Profile


class SessionInfo(Model):
    """A signed-in device as its user sees it. `client_id`: it is a program of others, called
    `device_name`. `current`: the one that asks."""

    id: str
    device_name: str | None
    user_agent: str
    created_at: Utc
    last_used_at: Utc
    client_id: str | None
    current: bool


class NewSession(Model):
    """Somebody signed in to your account, on another device."""

    session_id: str
    device_name: str | None
    user_agent: str
    created_at: Utc


SIGNED_IN = declare("account.signed_in", NewSession, scope="account", first_party=True)


class EmailChanged(Model):
    """Your account has another e-mail address now, which is verified."""

    email: Address


EMAIL_CHANGED = declare("account.email_changed", EmailChanged, scope="account", first_party=True)


class SessionQuery(Input):
    """Query of the list of sessions; `cursor` is the `next` of the answer before."""

    limit: Limit = 50
    cursor: Id | None = None


class SessionPage(Model):
    """Sessions, newest first."""

    items: list[SessionInfo]
    next: str | None


class SocketTicket(Model):
    """Opens one socket: connect to `url` + "?ticket=" + `ticket` within `expires_in` seconds."""

    ticket: Annotated[str, Field(repr=False)]
    url: str
    expires_in: int


class EcJwk(Model):
    """A public key that access tokens are signed with (RFC 7517)."""

    kty: Literal["EC"] = "EC"
    crv: Literal["P-256"] = "P-256"
    alg: Literal["ES256"] = "ES256"
    use: Literal["sig"] = "sig"
    kid: str
    x: str
    y: str


class RsaJwk(Model):
    """A public key that ID tokens are signed with (RFC 7517)."""

    kty: Literal["RSA"] = "RSA"
    alg: Literal["RS256"] = "RS256"
    use: Literal["sig"] = "sig"
    kid: str
    n: str
    e: str


class Jwks(Model):
    """The public keys by which others can verify our tokens."""

    keys: list[Annotated[EcJwk | RsaJwk, Field(discriminator="kty")]]
