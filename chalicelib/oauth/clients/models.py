"""A registered program."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.oauth.clients.redirect_uris import matches
from chalicelib.oauth.scopes import USER_SCOPES
from chalicelib.scopes import OFFLINE
from chalicelib.wire import UUID, now


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A registered program. Without a secret it is public: any program can pretend to be it."""

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

    @property
    def last_used_at(self) -> datetime | None:
        """When it last showed either of its secrets."""
        return max(filter(None, (self.used_at, self.former_used_at)), default=None)

    def knows(self, secret: str) -> bool:
        """Whether this is its secret, or the former one while that is valid."""
        made = digest(secret)
        known = (self.secret_digest or b"", self.former_digest or b"")
        return any(hmac.compare_digest(made, one) for one in known)

    def used_within(self, time: timedelta, shown: bytes | None) -> bool:
        """Whether a use of the secret with this digest was noted within `time`, by the clock of
        this function. PostgreSQL checks again by its own clock."""
        noted = self.used_at if shown == self.secret_digest else self.former_used_at
        return noted is not None and now() < noted + time

    def may_return_to(self, uri: str) -> bool:
        """Whether users may be sent to an address with an answer."""
        return matches(uri, self.redirect_uris)

    def may_leave_to(self, uri: str) -> bool:
        """Whether users may be sent to an address after signing out."""
        return matches(uri, self.post_logout_redirect_uris)

    def allowed(self, scope: str) -> list[str]:
        """The user scopes in `scope` that the client may have, in the order of USER_SCOPES. Empty
        if none of them opens anything.

        Unknown scopes are ignored (OpenID Connect Core, section 3.1.2.1), and so are those that
        the client is not registered for (RFC 6749, section 3.3): many programs ask for all the
        scopes that they know.
        """
        wanted = {OFFLINE, *self.scopes}.intersection(scope.split(" "))
        found = [one for one in USER_SCOPES if one in wanted]
        return [] if found == [OFFLINE] else found


def digest(secret: str) -> bytes:
    """The hash that is stored of a secret. A plain hash is enough: secrets are random."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def client_id_of(value: str) -> str | None:
    """A client id in lower case, as it is stored; None if it is not a UUID."""
    return value.lower() if re.fullmatch(UUID, value) else None
