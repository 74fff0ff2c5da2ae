"""Sessions as they are stored, and as their users see them; tokens and public keys."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from chalicelib.clock import NOW, Time
from chalicelib.live.events import declare
from chalicelib.scopes import scopes_of
from chalicelib.users.models import Profile
from chalicelib.wire import CURSOR, Id, Input, Model, OurId, Page, PageSize, Utc

LATELY = timedelta(hours=3)
"""No socket lives longer. If a session was revoked longer ago, all of its sockets are closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The limits of a session for an OAuth client. A session of our own clients has none.
    `auth_time`: when the user signed in on the page where they allowed it."""

    session_id: str | None = None
    client_id: str | None = None
    scope: str | None = None
    seconds: int | None = None
    auth_time: datetime | None = None


OURS = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in device. Of its refresh tokens it has the digests of the last one and of the one
    before, the seed that the last one was derived with, and when that was. `roles`: those of its
    user. `client_id`: the OAuth client that it was granted to, with `scope`. `auth_time`: when the
    user had signed in; None in old sessions.

    `read_at`: when PostgreSQL read it. `drafted`: it is not stored yet. Then only the distances
    between its times count: the store moves them to PostgreSQL's clock.
    """

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
        """The time when it was opened."""
        return NOW if self.drafted else self.created_at

    @property
    def scopes(self) -> frozenset[str]:
        """Its scopes now: those that its user agreed to and still has."""
        return scopes_of(self.roles, self.scope)

    @property
    def stands(self) -> bool:
        """Whether it was valid when it was read."""
        return self.stood(self.read_at or self.created_at)

    def stood(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at

    @property
    def revoked_lately(self) -> bool:
        """Whether one of its sockets may still be open, because closing was interrupted."""
        if self.revoked_at is None or self.read_at is None:
            return False
        return self.read_at < self.revoked_at + LATELY


SessionId = Annotated[OurId, Field(description="Names the session in the list of sessions.")]
ShownDevice = Annotated[
    str | None,
    Field(
        description="What the device called itself; null if it did not.", examples=["Ana's phone"]
    ),
]
UserAgent = Annotated[
    str,
    Field(
        description="What the browser or app called itself. Anybody can send any text there.",
        examples=["Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"],
    ),
]


class Tokens(Model):
    """What a client keeps: a short-lived access token, and a refresh token to get the next."""

    session_id: SessionId
    access_token: str = Field(
        repr=False,
        description="Send it with each request: `Authorization: Bearer …`.",
        examples=["eyJhbGciOiJFUzI1NiIs…"],
    )
    refresh_token: str = Field(
        repr=False,
        description="Trade it for fresh tokens before the access token ends. It works once.",
        examples=["bTsvN0h1eX…"],
    )
    token_type: Literal["Bearer"] = Field(
        "Bearer", description="How the access token is sent (RFC 6750)."
    )
    expires_in: int = Field(
        description="How many seconds the access token is good for.", examples=[900]
    )


class SignedIn(Tokens):
    """The answer to signing in."""

    user: Profile = Field(description="Who signed in.")


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


class SessionInfo(Model):
    """A signed-in device, or an OAuth client, as its user sees it."""

    id: SessionId
    device_name: ShownDevice
    user_agent: UserAgent
    created_at: Utc = Field(description="When you signed in on it.")
    last_used_at: Utc = Field(description="When it last refreshed its tokens.")
    client_id: OurId | None = Field(
        description="The OAuth client that it belongs to; `device_name` is its name. Null for our "
        "own clients.",
        examples=[None],
    )
    current: bool = Field(description="Whether it is the session of this request.")


class SessionQuery(Input):
    """Query of the list of sessions."""

    limit: PageSize = 50
    cursor: Annotated[Id | None, CURSOR] = None


class SessionPage(Page[SessionInfo, OurId]):
    """Sessions, newest first."""

    items: list[SessionInfo] = Field(description="The sessions of this page.")


class NewSession(Model):
    """Somebody signed in to your account, on another device."""

    session_id: SessionId
    device_name: ShownDevice
    user_agent: UserAgent
    created_at: Utc = Field(description="When they signed in.")


SIGNED_IN = declare(
    "account.signed_in", NewSession, scope="account", first_party=True, tag="Account"
)


class SocketTicket(Model):
    """Opens one socket: connect to `url` + "?ticket=" + `ticket` within `expires_in` seconds."""

    ticket: str = Field(
        repr=False, description="It works once.", examples=["Jx4Yw0aX3bqQf2mVbq7Z1w"]
    )
    url: str = Field(
        description="Where the socket is opened.", examples=["wss://sockets.example.org"]
    )
    expires_in: int = Field(description="How many seconds the ticket is good for.", examples=[30])


KeyId = Annotated[str, Field(description="Names the key in the header of a token.", examples=["1"])]
KeyNumber = Annotated[str, Field(examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"])]


class EcJwk(Model):
    """A public key that access tokens are signed with (RFC 7517)."""

    kty: Literal["EC"] = Field("EC", description="The type of key.")
    crv: Literal["P-256"] = Field("P-256", description="The curve.")
    alg: Literal["ES256"] = Field("ES256", description="The algorithm of signatures.")
    use: Literal["sig"] = Field("sig", description="The key is for signatures.")
    kid: KeyId
    x: Annotated[KeyNumber, Field(description="The x coordinate, in base64url.")]
    y: Annotated[KeyNumber, Field(description="The y coordinate, in base64url.")]


class RsaJwk(Model):
    """A public key that ID tokens are signed with (RFC 7517)."""

    kty: Literal["RSA"] = Field("RSA", description="The type of key.")
    alg: Literal["RS256"] = Field("RS256", description="The algorithm of signatures.")
    use: Literal["sig"] = Field("sig", description="The key is for signatures.")
    kid: KeyId
    n: Annotated[KeyNumber, Field(description="The modulus, in base64url.")]
    e: str = Field(description="The exponent, in base64url.", examples=["AQAB"])


class Jwks(Model):
    """The public keys by which others can verify our tokens."""

    keys: list[Annotated[EcJwk | RsaJwk, Field(discriminator="kty")]] = Field(
        description="The keys in use, and those that tokens may still be signed with."
    )
