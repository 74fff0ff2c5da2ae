"""The authorization endpoint in a browser: which form was sent, and which page answers it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.config import Settings
from chalicelib.identity import Source
from chalicelib.oauth.authorize.answers import MAX_FIELD, REQUEST, GoBack, by_get, parameters_of
from chalicelib.oauth.authorize.service import AskToAllow, AskToSignIn, SignInAndGoBack
from chalicelib.oauth.authorize.shown import Shown, sent_back
from chalicelib.oauth.pages import look, plain, sign_in
from chalicelib.oauth.signing_in.models import Form
from chalicelib.oauth.signing_in.visitors import Visitor, canonical
from chalicelib.wire import Sent

if TYPE_CHECKING:
    from chalicelib.oauth.authorize.service import Authorization
    from chalicelib.oauth.signing_in.visitors import Visitors


class Browsers:
    """Methods raise what a page then shows to the user: NoWayBack, RateLimited, Unavailable, and
    Forbidden for a form that was not made for this browser."""

    def __init__(
        self, settings: Settings, *, authorization: "Authorization", visitors: "Visitors"
    ) -> None:
        self._address = f"{settings.issuer}/oauth2/authorize"
        self._authorization = authorization
        self._visitors = visitors

    def ask(self, sent: Sent, source: Source) -> Shown:
        """A program sent the user: ask them, or send them back."""
        visitor = self._visitors.read(sent.cookies, source)
        return self._shown(self._authorization.open(sent.query, visitor), visitor)

    def answer(self, sent: Sent, source: Source) -> Shown:
        """The user sent one of our forms, or a program sent its request by POST (OpenID Connect
        Core, section 3.1.2.1)."""
        if not {"seal", "do"} & sent.form.keys():
            return Shown(uri=by_get(self._address, sent, REQUEST))
        visitor = self._visitors.read(sent.cookies, source)
        form = parameters_of(sent.form, MAX_FIELD)
        visitor.check(form, "authorize", canonical(parameters_of(sent.query)))
        step, authorization = form.get("do", "sign_in"), self._authorization
        if step == "allow":
            return self._shown(authorization.allow(sent.query, visitor), visitor)
        if step == "deny":
            return self._shown(authorization.deny(sent.query, visitor), visitor)
        if step == "switch":
            return self._shown(authorization.switch(sent.query, visitor), visitor)
        if step == "google" and authorization.offers.google:
            return Shown(uri=authorization.to_google(sent.query, visitor))
        if step in sign_in.SHOWN:
            next_form = Form(step=sign_in.SHOWN[step])
            return self._shown(authorization.show(sent.query, next_form, visitor), visitor)
        return self._shown(authorization.sign_in(sent.query, step, form, visitor), visitor)

    def from_google(self) -> Shown:
        """The user came back from Google. A script reads Google's answer from the fragment."""
        return Shown(sign_in.from_google(), headers=look.headers(script=True))

    def _shown(
        self, found: AskToSignIn | AskToAllow | SignInAndGoBack | GoBack, visitor: Visitor
    ) -> Shown:
        if isinstance(found, GoBack):
            return sent_back(found)
        if isinstance(found, AskToSignIn):
            return self._asked_to_sign_in(found, visitor)
        cookies = self._visitors.mark(replace(visitor, known=True))
        if found.sign_in != visitor.sign_in:
            cookies += self._visitors.keep_sign_in(found.sign_in)
        if isinstance(found, SignInAndGoBack):
            return sent_back(found.answer, cookies)
        return self._asked_to_allow(found, visitor, cookies)

    def _asked_to_allow(
        self, found: AskToAllow, visitor: Visitor, cookies: tuple[str, ...]
    ) -> Shown:
        request, whose = found.request, replace(visitor, sign_in=found.sign_in)
        page = plain.consent(
            program=request.client.name,
            username=found.user.username,
            new=found.new,
            known=[one for one in request.scopes if one not in found.new],
            redirect_uri=request.redirect_uri,
            given=request.given,
            seal=whose.seal("authorize", canonical(request.given)),
        )
        return Shown(page, targets=(request.redirect_uri,), cookies=cookies)

    def _asked_to_sign_in(self, found: AskToSignIn, visitor: Visitor) -> Shown:
        cookies = self._visitors.mark(visitor)
        if visitor.sign_in:
            cookies += self._visitors.drop_sign_in()
        request, offers = found.request, self._authorization.offers
        whose = replace(visitor, sign_in="")
        page = sign_in.page(
            found.form,
            offers,
            program=request.client.name,
            given=request.given,
            seal=whose.seal("authorize", canonical(request.given)),
        )
        targets = (request.redirect_uri, *([offers.google_url] if offers.google_url else []))
        return Shown(page, headers=look.headers(*targets, script=True), cookies=cookies)
