"""What programs learn of a user: from userinfo, and from ID tokens."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.oauth.models import OAuthClient, half_hash
from chalicelib.users.models import Profile

if TYPE_CHECKING:
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.users.profiles import Users


def claims_of(user: Profile, scopes: Collection[str]) -> dict[str, Any]:
    """What the user agreed to show of themselves (OpenID Connect Core, section 5.4)."""
    claims: dict[str, Any] = {"sub": user.id}
    if "profile" in scopes:
        claims |= {"name": user.display_name, "preferred_username": user.username}
        claims |= {"picture": user.avatar_url} if user.avatar_url else {}
    if "email" in scopes:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    return claims


class IdTokens:
    """Makes the ID token that goes with an access token. Ask for `profile` before that is made: if
    PostgreSQL does not answer, no session has changed yet."""

    def __init__(self, tokens: "AccessTokens", users: "Callable[[], Users]") -> None:
        self._tokens = tokens
        self._users = users

    def profile(self, client: OAuthClient, user_id: str) -> Profile | None:
        """The user, if the client wants claims in its ID tokens. Raises UserNotFound."""
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
        without the scope `openid`. `auth_time`: when the user signed in, if that is known."""
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
