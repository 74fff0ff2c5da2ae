"""The ways to sign in on the provider's page, step by step."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from chalicelib.auth.google.models import GoogleCredentials
from chalicelib.auth.models import Credentials, Registration
from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.auth.passkeys.models import PasskeySignIn
from chalicelib.auth.recovery.models import ResetRequest
from chalicelib.auth.sessions.models import SignedIn, Terms
from chalicelib.config import Settings
from chalicelib.errors import (
    AccountSuspended,
    AppError,
    GoogleOff,
    IdTokenInvalid,
    InvalidCredentials,
    LinkRequired,
    PasskeyInvalid,
    PasskeysOff,
    RateLimited,
    SecondFactorInvalid,
    SecondFactorRequired,
    UsernameRequired,
    UsernameTaken,
    ValidationFailed,
)
from chalicelib.oauth.clients.redirect_uris import origin_of
from chalicelib.oauth.signing_in.google import GoogleRedirect
from chalicelib.oauth.signing_in.kept import KEYS_FOR, Kept
from chalicelib.oauth.signing_in.models import Form, Given, Offers
from chalicelib.oauth.signing_in.visitors import Visitor
from chalicelib.scopes import SIGN_IN
from chalicelib.wire import now, refusal

if TYPE_CHECKING:
    from chalicelib.auth.accounts import Accounts
    from chalicelib.auth.google.models import GoogleStart
    from chalicelib.auth.google.service import Google
    from chalicelib.auth.passkeys.service import Passkeys
    from chalicelib.auth.recovery.service import Recovery
    from chalicelib.auth.sessions.tokens import AccessTokens

DEVICE = "Sign-in page"

_STALE = "That took too long. Please start again."
_START_AGAIN = (
    AccountSuspended,
    GoogleOff,
    IdTokenInvalid,
    InvalidCredentials,
    LinkRequired,
    PasskeyInvalid,
    PasskeysOff,
)

_FIRST = Form()

_ASKED = "passkey"
"""The name under which the question for a passkey is kept, beside what the user gave."""


class SigningIn:
    """Signs users in by the same services as the API's routes, so the same limits apply."""

    def __init__(
        self,
        settings: Settings,
        *,
        tokens: "AccessTokens",
        accounts: "Callable[[], Accounts]",
        passkeys: "Callable[[], Passkeys]",
        google: "Callable[[], Google]",
        google_start: "GoogleStart | None",
        recovery: "Callable[[], Recovery]",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._terms = Terms(scope=SIGN_IN, seconds=settings.access_token_seconds)
        self._accounts = accounts
        self._passkeys = passkeys
        self._google = google
        self._redirect = GoogleRedirect(settings.issuer, google_start)
        self._recovery = recovery
        self._kept = Kept(lambda: tokens.keys_for(KEYS_FOR), lambda: clock().timestamp())
        self.offers = Offers(
            passkeys=settings.origins_of_passkeys if settings.passkey_rp_id else (),
            google=origin_of(settings.issuer) if google_start else None,
            google_url=google_start.authorization_endpoint if google_start else None,
        )
        self._steps: dict[str, Callable[[Given, Visitor], SignedIn | Form]] = {
            "sign_in": self._by_password,
            "second_factor": self._by_second_factor,
            "passkey": self._by_passkey,
            "username": self._by_username,
            "register": self._register,
            "forgot": self._forgot,
        }

    def take(self, step: str, form: Given, visitor: Visitor) -> SignedIn | Form:
        """Who the user is, or what to ask next. `step`: the button that was pressed. Raises
        Unavailable."""
        return self._steps.get(step, self._by_password)(form, visitor)

    def to_google(self, visitor: Visitor, request: str) -> str:
        """Where to send a user for an ID token. `request`: the program's. Raises GoogleOff."""
        return self._redirect.uri(visitor, request)

    def from_google(self, form: Given, visitor: Visitor, request: str) -> SignedIn | Form:
        """Like `take`, with the answer of Google. Raises Forbidden if this browser did not go to
        Google for this request of a program."""
        given = self._redirect.answer(form, visitor, request)
        return self._go_on(given, {}, visitor, wrong=IdTokenInvalid())

    def _by_password(self, form: Given, visitor: Visitor) -> SignedIn | Form:
        given = {name: form.get(name, "") for name in ("login", "password")}
        again = Form(typed={"login": given["login"]})
        return self._go_on(given, {}, visitor, wrong=InvalidCredentials(), again=again)

    def _by_second_factor(self, form: Given, visitor: Visitor) -> SignedIn | Form:
        given = self._kept.open(form.get("kept", ""), visitor.mark)
        if given is None:
            return Form(problem=_STALE)
        asked = given.pop(_ASKED, None)
        again = Form(step="second_factor", kept=form["kept"], passkey=asked)
        if answer := form.get("passkey"):
            return self._go_on(given, {"passkey": answer}, visitor, PasskeyInvalid(), again)
        code = {"second_factor": form.get("code", "")}
        return self._go_on(given, code, visitor, SecondFactorInvalid(), again)

    def _by_username(self, form: Given, visitor: Visitor) -> SignedIn | Form:
        given = self._kept.open(form.get("kept", ""), visitor.mark)
        if given is None:
            return Form(problem=_STALE)
        again = Form(
            step="username", kept=form["kept"], typed={"username": form.get("username", "")}
        )
        more = {"username": form.get("username", "").strip()}
        return self._go_on(given, more, visitor, again=again)

    def _by_passkey(self, form: Given, visitor: Visitor) -> SignedIn | Form:
        try:
            answer = PasskeyAnswer.model_validate_json(form.get("passkey", ""))
            given = PasskeySignIn(credential=answer, device_name=DEVICE, device_key=visitor.mark)
            return self._passkeys().sign_in(given, visitor.source, self._terms)
        except ValidationError:
            return Form(problem=str(PasskeyInvalid()), wrong=True)
        except (*_START_AGAIN, RateLimited) as error:
            return Form(problem=str(error), wrong=True)

    def _register(self, form: Given, visitor: Visitor) -> SignedIn | Form:
        names = ("display_name", "username", "email")
        typed = {name: form.get(name, "").strip() for name in names}
        try:
            new = Registration(
                **typed,
                password=form.get("password", ""),
                device_name=DEVICE,
                device_key=visitor.mark,
            )
            return self._accounts().register(new, visitor.source, self._terms)
        except (ValidationError, ValidationFailed) as error:
            return Form(step="register", typed=typed, problems=_problems(error))
        except UsernameTaken as error:
            return Form(step="register", typed=typed, problems={"username": str(error)})
        except RateLimited as error:
            return Form(step="register", typed=typed, problem=str(error))

    def _forgot(self, form: Given, visitor: Visitor) -> Form:
        typed = {name: form.get(name, "").strip() for name in ("email", "username")}
        try:
            asked = ResetRequest(email=typed["email"], username=typed["username"] or None)
            self._recovery().request_reset(asked, visitor.source)
        except ValidationError as error:
            return Form(step="forgot", typed=typed, problems=_problems(error))
        except RateLimited as error:
            return Form(step="forgot", typed=typed, problem=str(error))
        return Form(step="mailed")

    def _go_on(
        self,
        given: dict[str, str],
        more: dict[str, str],
        visitor: Visitor,
        wrong: AppError | None = None,
        again: Form = _FIRST,
    ) -> SignedIn | Form:
        """Try what was `given` in earlier steps, and `more` from this step. If `more` is wrong, the
        next page is `again`, with the message `wrong`."""
        try:
            return self._open({**given, **more}, visitor)
        except SecondFactorRequired as error:
            asked = {name: json.dumps(one) for name, one in error.details.items() if name == _ASKED}
            kept = self._kept.close({**given, **asked}, visitor.mark)
            return Form(step="second_factor", kept=kept, passkey=asked.get(_ASKED))
        except UsernameRequired:
            return Form(step="username", kept=self._kept.close(given, visitor.mark))
        except UsernameTaken as error:
            return replace(again, problems={"username": str(error)})
        except (ValidationError, ValidationFailed) as error:
            problems = _problems(error)
            if wrong is None:
                return replace(again, problems=problems)
            # For a malformed login or password, the message is only that it is wrong. For a
            # malformed code, the message says what a code looks like.
            return replace(again, problem=problems.get("second_factor", str(wrong)), wrong=True)
        except (SecondFactorInvalid, PasskeyInvalid, RateLimited) as error:
            return replace(again, problem=str(error), wrong=True)
        except _START_AGAIN as error:
            return Form(problem=str(error), wrong=True, typed=again.typed)

    def _open(self, given: dict[str, str], visitor: Visitor) -> SignedIn:
        """Raises what `Accounts.login` and `Google.sign_in` raise, and ValidationError."""
        device: dict[str, Any] = {"device_name": DEVICE, "device_key": visitor.mark}
        parsed: dict[str, Any] = dict(given)
        if answer := given.get("passkey"):
            parsed["passkey"] = PasskeyAnswer.model_validate_json(answer)
        if "id_token" in given:
            by_google = GoogleCredentials(**parsed, **device)
            return self._google().sign_in(by_google, visitor.source, self._terms)
        return self._accounts().login(Credentials(**parsed, **device), visitor.source, self._terms)


def _problems(error: ValidationError | ValidationFailed) -> dict[str, str]:
    """What is wrong with which field, in the words of the API."""
    found = refusal(error) if isinstance(error, ValidationError) else error
    listed = found.details.get("errors", [])
    return {one["field"]: one["message"] for one in reversed(listed)}
