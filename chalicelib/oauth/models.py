"""Programs of others, what they may ask for, and what they are refused with."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from chalicelib.users.models import Name
from chalicelib.wire import UUID_PATTERN, Input

USER_SCOPES = {
    "openid": "know who you are here",
    "profile": "see your name, username and picture",
    "email": "see your e-mail address",
    "users.read": "look up other people",
    "chats.read": "read your chats",
    "chats.write": "send messages as you",
}
"""What a user can let a program do, in the words that they are asked with. Never `account`: a
program must not change a password or sign out others."""

INTROSPECT = "tokens.introspect"
SERVICE_SCOPES = frozenset({"push.send", "users.validate", INTROSPECT})
"""What a confidential client may be registered to do in its own name."""

SIGN_IN = "authorize"
"""The scope of a session on the sign-in page: it can say yes, and nothing else."""

MAX_PARAMETER = 2048
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
# What RFC 3986 lets a URI hold, but for quotes, "*", ";" and ",": those mean something in the
# header fields and in the page that it comes to stand in.
_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&()+=%]{1,512}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class OAuthError(Exception):
    """What is refused: a code of the specifications, and a sentence."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, retry_after: int | None = None
    ) -> None:
        super().__init__(description)
        self.error, self.status, self.retry_after = error, status, retry_after


class NoWayBack(OAuthError):
    """There is no address that the user may be sent back to with it: they are shown a page."""


def _redirect_uri(value: str) -> str:
    parts = urlsplit(value)
    loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    private = _PRIVATE_SCHEME.fullmatch(parts.scheme) is not None
    if not _URI.fullmatch(value) or "@" in parts.netloc:
        raise ValueError("holds what an address to send users to cannot hold")
    if parts.scheme == "https" or (parts.scheme == "http" and loopback):
        if not parts.hostname:
            raise ValueError("names no host")
        _ = parts.port  # raises ValueError
    elif not private:
        raise ValueError(
            "must begin with https://, http:// and a loopback address, or a scheme like com.example"
        )
    return value


def _scope(value: str) -> str:
    if value not in USER_SCOPES and value not in SERVICE_SCOPES:
        raise ValueError("is no scope that a program can have")
    return value


RedirectUri = Annotated[str, AfterValidator(_redirect_uri)]


class NewClient(Input):
    """Registers a program. A confidential one gets a secret; only it can act in its own name."""

    name: Name
    redirect_uris: Annotated[list[RedirectUri], Field(max_length=20)] = []
    scopes: Annotated[list[Annotated[str, AfterValidator(_scope)]], Field(min_length=1)]
    confidential: bool

    @model_validator(mode="after")
    def _fits(self) -> "NewClient":
        asks_users = not USER_SCOPES.keys().isdisjoint(self.scopes)
        if asks_users != bool(self.redirect_uris):
            raise ValueError("redirect_uris and scopes of users go together")
        if not self.confidential and not SERVICE_SCOPES.isdisjoint(self.scopes):
            raise ValueError("a public client can do nothing in its own name")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A program of others. Without a secret it is public: anyone can pass for it."""

    id: str
    name: str
    secret_digest: bytes | None = field(repr=False)
    redirect_uris: list[str]
    scopes: list[str]

    @property
    def confidential(self) -> bool:
        return self.secret_digest is not None

    def knows(self, secret: str) -> bool:
        """Whether the secret is its own."""
        return hmac.compare_digest(digest(secret), self.secret_digest or b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What a program asks a user for, once it was found good."""

    client: OAuthClient
    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...] = ()
    nonce: str | None = None
    challenge: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None

    FIELDS: ClassVar = (
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
        "code_challenge", "code_challenge_method", "prompt", "max_age", "response_mode",
        "request", "request_uri",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What an authorization code stands for; `session_id` is that of the session it will make."""

    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    nonce: str | None
    user_id: str
    opener_id: str
    auth_time: int
    session_id: str


def digest(secret: str) -> bytes:
    """What is kept of a secret that nobody can guess."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def proves(verifier: str, challenge: str) -> bool:
    """Whether a code verifier is the one that a challenge was made of (RFC 7636, S256)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())


def is_client_id(value: str) -> bool:
    """Whether it can be one of ours."""
    return re.fullmatch(UUID_PATTERN, value) is not None


def is_challenge(value: str) -> bool:
    """Whether it can have been made by S256."""
    return _CHALLENGE.fullmatch(value) is not None


def one_each(given: Mapping[str, list[str]]) -> dict[str, str]:
    """Parameters by name; an empty one is as good as none. Raises OAuthError for one that is
    there twice, or too long."""
    for name, values in given.items():
        if len(values) > 1:
            raise OAuthError("invalid_request", f"Send {_quoted(name)} once.")
        if len(values[0]) > MAX_PARAMETER:
            raise OAuthError("invalid_request", f"{_quoted(name)} is too long.")
    return {name: values[0] for name, values in given.items() if values[0]}


def _quoted(name: str) -> str:
    return name if name in KNOWN else "each parameter"


KNOWN = frozenset(
    {*AuthorizationRequest.FIELDS, "grant_type", "code", "code_verifier", "refresh_token"}
    | {"client_secret", "token", "token_type_hint"}
)
"""Names that may be said in an error: nothing that a stranger made up."""
