"""What programs learn about a user: from userinfo, and from ID tokens."""

import base64
import hashlib
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.users.models import Profile

if TYPE_CHECKING:
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.users.profiles import Users


def claims_of(user: Profile, scopes: Collection[str]) -> dict[str, Any]:
    """What these scopes show of the user (OpenID Connect Core, section 5.4)."""
    claims: dict[str, Any] = {"sub": user.id}
    if "profile" in scopes:
        claims |= {"name": user.display_name, "preferred_username": user.username}
        claims |= {"picture": user.avatar_url} if user.avatar_url else {}
    if "email" in scopes:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    return claims


def half_hash(token: str) -> str:
    """The `at_hash` of an access token (OpenID Connect Core, section 3.1.3.6)."""
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


class IdTokens:
    """Makes the ID token for an access token. Call `profile` before the access token is made: if
    PostgreSQL does not answer, no session has changed yet."""

    def __init__(self, tokens: "AccessTokens", users: "Callable[[], Users]") -> None:
        self._tokens = tokens
        self._users = users

    def profile(self, client: OAuthClient, user_id: str) -> Profile | None:
        """The user, for a client whose ID tokens contain claims; else None. Raises UserNotFound."""
        return self._users().me(user_id) if client.claims_in_id_token else None

    def beside(
        self,
        access_token: str,
        profile: Profile | None,
        *,
        auth_time: datetime | None,
        nonce: str | None = None,
    ) -> str | None:
        """An ID token for the session of an access token (Core, sections 3.1.3.3 and 12.2); None
        without the scope `openid`. `auth_time`: when the user signed in, or None if not known."""
        granted = self._tokens.claims(access_token)
        scopes = granted["scope"].split()
        if "openid" not in scopes:
            return None
        return self._tokens.issue_id(
            granted["client_id"],
            **{
                **(claims_of(profile, scopes) if profile else {}),
                "sub": granted["sub"],
                "sid": granted["sid"],
                "at_hash": half_hash(access_token),
                **({"auth_time": int(auth_time.timestamp())} if auth_time else {}),
                **({"nonce": nonce} if nonce else {}),
            },
        )
