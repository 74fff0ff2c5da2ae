"""Programs of others, what they may ask for, and how they are registered."""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from chalicelib.errors import BadRequest
from chalicelib.oauth.registration import USER_SCOPES, ClientInfo
from chalicelib.scopes import OFFLINE
from chalicelib.wire import UUID, now

MAX_PARAMETER = 4096
_LOOPBACK_WITH_PORT = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]|localhost)):([1-9][0-9]{0,4})((?:[/?].*)?)", re.IGNORECASE
)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class NoWayBack(BadRequest):
    """The user cannot be sent back to the program with this error: they are shown a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A program of others. Without a secret it is public: anyone can pass for it."""

    id: str
    name: str
    secret_digest: bytes | None = field(repr=False)
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    scopes: list[str]
    created_at: datetime
    require_pkce: bool = True
    claims_in_id_token: bool = False
    former_digest: bytes | None = field(default=None, repr=False)
    former_until: datetime | None = None
    used_at: datetime | None = None
    former_used_at: datetime | None = None

    @property
    def confidential(self) -> bool:
        return self.secret_digest is not None

    def knows(self, secret: str) -> bool:
        """Whether the secret is its own, or the one before that is still good."""
        made = digest(secret)
        known = (self.secret_digest or b"", self.former_digest or b"")
        return any(hmac.compare_digest(made, one) for one in known)

    def used_within(self, time: timedelta, shown: bytes | None) -> bool:
        """Whether a use of the secret of a digest was noted within a time, by the clock of this
        function; PostgreSQL asks its own once more."""
        noted = self.used_at if shown == self.secret_digest else self.former_used_at
        return noted is not None and now() < noted + time

    def may_return_to(self, uri: str) -> bool:
        """Whether users may be sent to an address with an answer."""
        return _is_one_of(uri, self.redirect_uris)

    def may_leave_to(self, uri: str) -> bool:
        """Whether users may be sent to an address after signing out."""
        return _is_one_of(uri, self.post_logout_redirect_uris)

    def allowed(self, scope: str) -> list[str]:
        """The scopes of users among those asked for that it may have, in our order. Empty if
        nothing is left that opens anything.

        Unknown ones are ignored (OpenID Connect Core, section 3.1.2.1), and so are those that it is
        not registered for (RFC 6749, section 3.3): many programs ask for all that they know.
        """
        wanted = {OFFLINE, *self.scopes}.intersection(scope.split(" "))
        found = [one for one in USER_SCOPES if one in wanted]
        return [] if found == [OFFLINE] else found

    @property
    def info(self) -> ClientInfo:
        return ClientInfo(
            client_id=self.id,
            name=self.name,
            redirect_uris=self.redirect_uris,
            post_logout_redirect_uris=self.post_logout_redirect_uris,
            scopes=self.scopes,
            confidential=self.confidential,
            require_pkce=self.require_pkce,
            claims_in_id_token=self.claims_in_id_token,
            created_at=self.created_at,
            last_used_at=max(filter(None, (self.used_at, self.former_used_at)), default=None),
            former_secret_until=self.former_until,
            former_secret_used_at=self.former_used_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What an authorization code stands for; `session_id` is that of the session it will make.
    `challenge` is empty if it was asked for without PKCE."""

    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    nonce: str | None
    user_id: str
    opener_id: str
    auth_time: int
    session_id: str


def _is_one_of(uri: str, registered: Collection[str]) -> bool:
    """Whether an address is registered: to the letter, but for the port of a loopback address that
    was registered without one (RFC 8252, section 7.3)."""
    return uri in registered or without_port(uri) in registered


def without_port(uri: str) -> str | None:
    """An `http` loopback address without its port, which stands for all ports; None for others."""
    found = _LOOPBACK_WITH_PORT.fullmatch(uri)
    return found[1] + found[3] if found and int(found[2]) < 65536 else None


def digest(secret: str) -> bytes:
    """What is kept of a secret that nobody can guess."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def challenge_of(verifier: str) -> str:
    """The challenge that a code verifier answers (RFC 7636, S256)."""
    made = hashlib.sha256(verifier.encode(errors="replace")).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def proves(verifier: str, challenge: str) -> bool:
    """Whether a code verifier is the one that a challenge was made of."""
    return hmac.compare_digest(challenge_of(verifier).encode(), challenge.encode())


def half_hash(token: str) -> str:
    """What an ID token says of the access token beside it (OpenID Connect Core, 3.1.3.6)."""
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def client_id_of(value: str) -> str | None:
    """A client id as it is kept, from either case; None for what has another form."""
    return value.lower() if re.fullmatch(UUID, value) else None


def is_challenge(value: str) -> bool:
    """Whether it can have been made by S256."""
    return _CHALLENGE.fullmatch(value) is not None


def form_target(uri: str) -> str:
    """Where an address leads, as a Content-Security-Policy names it in `form-action`: its scheme
    alone. Chromium holds every redirect after a form to that, also those of the program, which may
    send the user on to another host."""
    return f"{urlsplit(uri).scheme}:"


def is_claimed(uri: str) -> bool:
    """Whether an address belongs to somebody: an https one, but not on the device itself (RFC 8252,
    section 7.2)."""
    parts = urlsplit(uri)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        address = ip_address(host)
    except ValueError:  # a name; to browsers, one whose last label is a number is an address
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) is None
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not (mapped.is_loopback or mapped.is_unspecified)


def one_each(given: Mapping[str, list[str]], longest: int = MAX_PARAMETER) -> dict[str, str]:
    """Parameters by name; an empty one counts as missing (RFC 6749, section 3.1). `resource` may
    come more than once (RFC 8707, section 2): its values are joined by spaces, which no URI holds.
    Raises ValueError for any other one that comes twice, and for one that is too long. Its text
    quotes no input."""
    found = {}
    for name, values in given.items():
        if len(values) > 1 and name != "resource":
            raise ValueError("Send each parameter once.")
        found[name] = " ".join(filter(None, values))
        if len(found[name]) > longest:
            raise ValueError("A parameter is too long.")
    return {name: value for name, value in found.items() if value}


def is_our_api(resource: str, issuer: str) -> bool:
    """Whether resource indicators, with spaces between, all name this API (RFC 8707)."""
    return {issuer, f"{issuer}/"}.issuperset(resource.split(" "))
