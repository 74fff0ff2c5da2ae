"""Signing out for a program (OpenID Connect RP-Initiated Logout)."""

from typing import TYPE_CHECKING

from chalicelib.config import Settings
from chalicelib.errors import Unauthorized
from chalicelib.identity import Source
from chalicelib.oauth.authorize.answers import (
    LOGOUT,
    MAX_FIELD,
    NoWayBack,
    by_get,
    parameters_of,
    with_parameters,
)
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.pages import plain
from chalicelib.oauth.signing_in.visitors import Visitor, canonical
from chalicelib.wire import Sent

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.signing_in.visitors import Visitors
    from chalicelib.oauth.tokens.service import OAuth

_KEPT = ("client_id", "post_logout_redirect_uri", "state")


class SignOut:
    """Methods raise what a page then shows to the user: NoWayBack, RateLimited, Unavailable, and
    Forbidden for a form that was not made for this browser."""

    def __init__(
        self,
        settings: Settings,
        *,
        oauth: "OAuth",
        auth: "Auth",
        tokens: "AccessTokens",
        visitors: "Visitors",
    ) -> None:
        self._address = f"{settings.issuer}/oauth2/logout"
        self._oauth = oauth
        self._auth = auth
        self._tokens = tokens
        self._visitors = visitors

    def take(self, sent: Sent, source: Source) -> Shown:
        """A program sent the user to sign out, or the user agrees on our page. A program can prove
        which one it is by an ID token. Without one, the user is asked first."""
        ours = "seal" in sent.form
        if sent.form and not ours:
            return Shown(uri=by_get(self._address, sent, LOGOUT))
        visitor = self._visitors.read(sent.cookies, source)
        given = parameters_of(sent.query)
        if ours:
            visitor.check(parameters_of(sent.form, MAX_FIELD), "logout", canonical(given))
        hint = self._hint(given)
        target = self._target(given, hint, visitor)
        if hint is None and not ours:
            return self._ask(given, target, visitor)
        return self._signed_out(hint, target, visitor, agreed=ours)

    def _hint(self, given: dict[str, str]) -> dict[str, str] | None:
        """The claims of the ID token in `id_token_hint`; None without a valid one."""
        try:
            hint = self._tokens.id_claims(given.get("id_token_hint", ""))
        except Unauthorized:
            return None
        if given.get("client_id", hint["aud"]).lower() != hint["aud"]:
            raise NoWayBack("The application's request names two applications.")
        return hint

    def _target(
        self, given: dict[str, str], hint: dict[str, str] | None, visitor: Visitor
    ) -> str | None:
        """Where to go after signing out: a registered address, or None. Counts the visit."""
        if hint:
            self._visitors.count_hint(hint["sid"])
        named = hint["aud"] if hint else given.get("client_id", "")
        client = self._oauth.client(named, visitor.source) if named else None
        if not hint:
            self._visitors.count(visitor)
        return _registered(client, given)

    def _ask(self, given: dict[str, str], target: str | None, visitor: Visitor) -> Shown:
        given = {name: given[name] for name in _KEPT if name in given}
        page = plain.sign_out(given, visitor.seal("logout", canonical(given)))
        targets = (target,) if target else ()
        return Shown(page, targets=targets, cookies=self._visitors.mark(visitor))

    def _signed_out(
        self, hint: dict[str, str] | None, target: str | None, visitor: Visitor, *, agreed: bool
    ) -> Shown:
        """End the program's session, and the sign-in session if the user agreed to that or is the
        one whom the ID token names."""
        cookies: tuple[str, ...] = ()
        identity = visitor.identity
        if hint:
            self._auth.end_session_of_client(hint["sub"], hint["sid"], client_id=hint["aud"])
        if identity is not None and (agreed or identity.user_id == (hint or {}).get("sub")):
            self._visitors.sign_out(visitor)
            cookies = self._visitors.drop_sign_in()
        if target is not None:
            return Shown(uri=target, cookies=cookies)
        return Shown(plain.message("Signed out", "You can close this page."), cookies=cookies)


def _registered(client: OAuthClient | None, given: dict[str, str]) -> str | None:
    uri = given.get("post_logout_redirect_uri", "")
    if client is None or not client.may_leave_to(uri):
        return None
    if "state" not in given:
        return uri
    return with_parameters(uri, {"state": given["state"]})
