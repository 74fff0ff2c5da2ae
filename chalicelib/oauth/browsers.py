"""What the provider's pages do in a browser: which form was sent, and what it is answered with."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.config import Settings
from chalicelib.edge.forms import Sent
from chalicelib.errors import Forbidden, Unauthorized
from chalicelib.identity import Source
from chalicelib.oauth import look, pages, sign_in_pages
from chalicelib.oauth.answers import (
    FORM_HEADERS,
    LOGOUT,
    REQUEST,
    GoBack,
    by_get,
    with_parameters,
)
from chalicelib.oauth.consent import Ask, Entered, Given
from chalicelib.oauth.models import MAX_PARAMETER, NoWayBack, OAuthClient, one_each
from chalicelib.oauth.signing_in import Form
from chalicelib.oauth.visitors import (
    KEYS_FOR,
    SEALED_FORM,
    SEALS,
    Visitor,
    canonical,
    read_mark,
    same,
)

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.consent import Consent
    from chalicelib.oauth.service import OAuth

MARK_SECONDS = 60 * 60 * 24 * 180
MAX_FIELD = 32 * 1024
"""Of our own forms: ID tokens and answers of passkeys are long."""


class Shown:
    """An answer to a browser: a page, or a redirect to `uri`. `headers`: those of a page that needs
    others than most."""

    def __init__(
        self,
        page: str = "",
        *,
        uri: str | None = None,
        targets: tuple[str, ...] = (),
        cookies: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = page
        self.status = 303 if uri else 200
        made = dict(headers or look.headers(*targets))
        self.headers = made | ({"Location": uri} if uri else {})
        self.cookies = cookies


class Browsers:
    """Methods raise what a page then shows to the user: NoWayBack, RateLimited, Unavailable, and
    Forbidden for a form that was not made for this browser."""

    def __init__(
        self,
        settings: Settings,
        *,
        consent: "Consent",
        oauth: "OAuth",
        auth: "Auth",
        tokens: "AccessTokens",
    ) -> None:
        self._consent = consent
        self._oauth = oauth
        self._auth = auth
        self._tokens = tokens
        # Over HTTPS their prefix keeps other hosts of a domain from setting them; it asks for the
        # path /, whatever the path of our own pages is (RFC 6265bis, section 4.1.3).
        self._issuer = settings.issuer
        self._secure = settings.issuer.startswith("https://")
        self._prefix = "__Host-" if self._secure else ""
        self._seconds = settings.access_token_seconds

    def ask(self, sent: Sent, client: Source) -> Shown:
        """A program sent the user: ask them, or send them back."""
        visitor = self._visitor(sent, client)
        return self._shown(self._consent.open(sent.query, visitor), visitor)

    def answer(self, sent: Sent, client: Source) -> Shown:
        """The user sent a form that we showed, or a program's request came by POST (OpenID Connect
        Core, section 3.1.2.1)."""
        if not {"seal", "do"} & sent.form.keys():
            return Shown(uri=by_get(f"{self._issuer}/oauth2/authorize", sent, REQUEST))
        visitor = self._visitor(sent, client)
        form = _one_each(sent.form, MAX_FIELD)
        self._check(visitor, form, "authorize", canonical(_one_each(sent.query)))
        step = form.get("do", "sign_in")
        if step == "allow":
            return self._shown(self._consent.allow(sent.query, visitor), visitor)
        if step == "deny":
            return self._shown(self._consent.deny(sent.query, visitor), visitor)
        if step == "switch":
            return self._shown(self._consent.switch(sent.query, visitor), visitor)
        if step == "google" and self._consent.offers.google:
            return Shown(uri=self._consent.to_google(sent.query, visitor))
        if step in sign_in_pages.SHOWN:
            form_of = Form(step=sign_in_pages.SHOWN[step])
            return self._shown(self._consent.show(sent.query, form_of, visitor), visitor)
        return self._shown(self._consent.sign_in(sent.query, step, form, visitor), visitor)

    def from_google(self) -> Shown:
        """The user came back from Google. What it answered is in the fragment, for a script."""
        return Shown(sign_in_pages.from_google(), headers=look.headers(script=True))

    def sign_out(self, sent: Sent, client: Source) -> Shown:
        """A program sent the user to sign out (OpenID Connect RP-Initiated Logout), or the user
        says yes to that. Without an ID token that proves which program it is, they are asked."""
        ours = "seal" in sent.form
        if sent.form and not ours:
            return Shown(uri=by_get(f"{self._issuer}/oauth2/logout", sent, LOGOUT))
        visitor = self._visitor(sent, client)
        given = _one_each(sent.query)
        if ours:
            form = _one_each(sent.form, MAX_FIELD)
            self._check(visitor, form, "logout", canonical(given))
        return self._signed_out(given, visitor, agreed=ours)

    def _signed_out(self, given: dict[str, str], visitor: Visitor, *, agreed: bool) -> Shown:
        hint = self._hinted(given)
        if hint and given.get("client_id", hint["aud"]).lower() != hint["aud"]:
            raise NoWayBack("The application names itself in two ways.")
        if hint:
            self._consent.count_hint(hint["sid"])
        named = hint["aud"] if hint else given.get("client_id", "")
        program = self._oauth.client(named, visitor.client) if named else None
        if not hint:
            self._consent.count(visitor)
        target = _target(program, given)
        if not hint and not agreed:
            given = {name: given[name] for name in _KEPT if name in given}
            page = pages.sign_out(given, visitor.seal("logout", canonical(given)))
            return Shown(page, targets=(target,) if target else (), cookies=self._marked(visitor))
        cookies: tuple[str, ...] = ()
        identity = visitor.identity
        if hint:
            self._auth.end_granted(hint["sub"], hint["sid"], client_id=hint["aud"])
        if identity is not None and (agreed or identity.user_id == (hint or {}).get("sub")):
            self._consent.forget(visitor)
            cookies = (self._cookie("sign-in", "", seconds=0),)
        if target is not None:
            return Shown(uri=target, cookies=cookies)
        return Shown(pages.message("Signed out", "You can close this page."), cookies=cookies)

    def _hinted(self, given: dict[str, str]) -> dict[str, str] | None:
        try:
            return self._tokens.id_claims(given.get("id_token_hint", ""))
        except Unauthorized:
            return None

    def _check(self, visitor: Visitor, form: dict[str, str], *what: str) -> None:
        if not same(visitor.seal(*what), form.get("seal", "")):
            raise Forbidden(SEALED_FORM)

    def _shown(self, found: Ask | Entered | GoBack, visitor: Visitor) -> Shown:
        if isinstance(found, GoBack):
            return _gone(found)
        if isinstance(found, Ask) and found.user is None:
            return self._asked_to_sign_in(found, visitor)
        cookies = self._marked(replace(visitor, known=True))
        if found.sign_in != visitor.sign_in:
            cookies += (self._cookie("sign-in", found.sign_in, seconds=self._seconds),)
        if isinstance(found, Entered):
            return _gone(found.answer, cookies)
        return Shown(
            pages.consent(found, self._seal(found, visitor)),
            targets=(found.asked.redirect_uri,),
            cookies=cookies,
        )

    def _asked_to_sign_in(self, found: Ask, visitor: Visitor) -> Shown:
        cookies = self._marked(visitor)
        if visitor.sign_in:
            cookies += (self._cookie("sign-in", "", seconds=0),)
        offers = self._consent.offers
        targets = (found.asked.redirect_uri, *([offers.google_url] if offers.google_url else []))
        return Shown(
            sign_in_pages.page(found, offers, self._seal(found, visitor)),
            headers=look.headers(*targets, script=True),
            cookies=cookies,
        )

    def _seal(self, found: Ask, visitor: Visitor) -> str:
        whose = replace(visitor, sign_in=found.sign_in)
        return whose.seal("authorize", canonical(found.asked.given))

    def _visitor(self, sent: Sent, client: Source) -> Visitor:
        sign_in = sent.cookies.get(f"{self._prefix}parley-sign-in", "")
        mark, known = read_mark(sent.cookies.get(f"{self._prefix}parley-mark", ""), self._keys())
        return Visitor(
            client=client,
            sign_in=sign_in,
            identity=self._consent.identity(sign_in),
            mark=mark,
            key=self._tokens.keys_for(SEALS)[0],
            known=known,
        )

    def _marked(self, visitor: Visitor) -> tuple[str, ...]:
        value = visitor.mark_cookie(self._keys())
        return (self._cookie("mark", value, seconds=MARK_SECONDS),)

    def _keys(self) -> list[bytes]:
        return self._tokens.keys_for(KEYS_FOR)

    def _cookie(self, name: str, value: str, *, seconds: int | None = None) -> str:
        """Lax: a program's link brings it along, another site's form does not."""
        age = f"; Max-Age={seconds}" if seconds is not None else ""
        secure = "; Secure" if self._secure else ""
        return f"{self._prefix}parley-{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}"


_KEPT = ("client_id", "post_logout_redirect_uri", "state")


def _target(program: OAuthClient | None, given: dict[str, str]) -> str | None:
    """Where to go after signing out: to a registered address, or nowhere."""
    uri = given.get("post_logout_redirect_uri", "")
    if program is None or not program.may_leave_to(uri):
        return None
    if "state" not in given:
        return uri
    return with_parameters(uri, {"state": given["state"]})


def _gone(answer: GoBack, cookies: tuple[str, ...] = ()) -> Shown:
    if answer.by_form:
        return Shown(answer.page, headers=FORM_HEADERS, cookies=cookies)
    return Shown(uri=answer.uri, cookies=cookies)


def _one_each(given: Given, longest: int = MAX_PARAMETER) -> dict[str, str]:
    try:
        return one_each(given, longest)
    except ValueError as error:
        raise NoWayBack(str(error)) from None
