"""Every error a client can see: a stable code, an HTTP status, a sentence."""

from collections.abc import Sequence
from typing import Any, ClassVar

from chalicelib import metrics
from chalicelib.limits import Quota
from chalicelib.sentences import wait


class AppError(Exception):
    """Base class: raise a subclass, never this one."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side. Try again later."

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or self.message)
        self.details = details

    def to_wire(self) -> dict[str, Any]:
        """The error as a socket answer carries it: {code, message, ...details}."""
        return {"code": self.code, "message": str(self), **self.details}


class BadRequest(AppError):
    code, status, message = "bad_request", 400, "The request is not valid JSON."


class UnknownAction(AppError):
    code, status, message = "unknown_action", 400, "There is no such action."


class Unauthorized(AppError):
    code, status, message = (
        "unauthorized",
        401,
        "Sign in: the access token is missing or not valid.",
    )


class InvalidCredentials(AppError):
    code, status, message = "invalid_credentials", 401, "The login or the password is wrong."


class SecondFactorRequired(AppError):
    """The password is right; send the same again with one of `methods` besides. `passkey`: what to
    ask a passkey, where there is one."""

    code, status, message = (
        "second_factor_required",
        401,
        "Give a code of your authenticator app, or a recovery code.",
    )

    def __init__(self, passkey: dict[str, Any] | None = None) -> None:
        if passkey is None:
            super().__init__(methods=["totp", "recovery_code"])
        else:
            super().__init__(methods=["totp", "recovery_code", "passkey"], passkey=passkey)


class SecondFactorInvalid(AppError):
    code, status, message = (
        "second_factor_invalid",
        401,
        "This code is wrong, or was used before.",
    )


class SecondFactorOn(AppError):
    code, status, message = "second_factor_on", 409, "A second factor is in use already."


class SecondFactorOff(AppError):
    code, status, message = "second_factor_off", 409, "Set a second factor up first."


class GoogleOff(AppError):
    code, status, message = "google_off", 409, "This server does not know Google accounts."


class GoogleTaken(AppError):
    code, status, message = (
        "google_taken",
        409,
        "This Google account signs in elsewhere, or another one signs in here. Unlink that first.",
    )


class LinkRequired(AppError):
    code, status, message = (
        "link_required",
        409,
        "There is an account with this address. Sign in to it, and link Google in its settings.",
    )


class UsernameRequired(AppError):
    code, status, message = (
        "username_required",
        409,
        "You are new here: choose a username, and send this again with it.",
    )


class PasskeyInvalid(AppError):
    code, status, message = (
        "passkey_invalid",
        401,
        "This passkey did not sign you in. Try again, or use your password.",
    )


class PasskeysOff(AppError):
    code, status, message = "passkeys_off", 409, "This server does not know passkeys."


class PasskeyKnown(AppError):
    code, status, message = "passkey_known", 409, "This passkey is in use already."


class TooManyPasskeys(AppError):
    code, status, message = "too_many_passkeys", 409, "Remove a passkey first: you have too many."


class AccountSuspended(AppError):
    """Raised only after the right password, passkey or Google account."""

    code, status, message = "account_suspended", 403, "This account is suspended."


class Forbidden(AppError):
    code, status, message = "forbidden", 403, "You may not do this."


class ScopeMissing(Forbidden):
    """For a token that is good, but not for this. `scope`: what it lacks, if one scope is all."""

    def __init__(self, scope: str = "", message: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class NotFound(AppError):
    code, status, message = "not_found", 404, "There is nothing here."


class ChatNotFound(AppError):
    code, status, message = "chat_not_found", 404, "There is no such chat, or you are not in it."


class NotAnswered(AppError):
    code, status, message = (
        "not_answered",
        403,
        "They have not answered yet. You can write more as soon as they do.",
    )


class UserNotFound(AppError):
    code, status, message = "user_not_found", 404, "There is no such user."


class ExportNotFound(AppError):
    code, status, message = "export_not_found", 404, "No export is available."


class UsernameTaken(AppError):
    code, status, message = "username_taken", 409, "This username is taken. Choose another one."


class LinkInvalid(AppError):
    """For a token out of a mail."""

    code, status, message = (
        "link_invalid",
        400,
        "This link is not valid any more. Ask for a new one.",
    )


class IdTokenInvalid(AppError):
    """For an ID token of another issuer; says nothing of what is wrong with it."""

    code, status, message = (
        "id_token_invalid",
        400,
        "This sign-in with Google is not valid any more. Start again.",
    )


class NoSecret(AppError):
    code, status, message = (
        "no_secret",
        409,
        "This program is public: it has no secret. Register a confidential one.",
    )


class NotYourself(AppError):
    code, status, message = (
        "not_yourself",
        409,
        "You cannot do this to yourself. Ask another admin.",
    )


class LastAdmin(AppError):
    code, status, message = (
        "last_admin",
        409,
        "You are the last admin. Make somebody else an admin first.",
    )


class TooLarge(AppError):
    code, status, message = "too_large", 413, "The request is too large."


class UnsupportedMediaType(AppError):
    code, status, message = "unsupported_media_type", 415, "Send the body as application/json."


class ValidationFailed(AppError):
    """`errors` says what is wrong where: [{"field": "content.text", "kind": "too_long",
    "message": "…", "max": 4096}]. `kind` is stable."""

    code, status, message = "validation_failed", 422, "Some fields are not valid."

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors=errors)


class RateLimited(AppError):
    """`retry_after` is in whole seconds; `quotas` are for the headers."""

    code, status, message = "rate_limited", 429, "Too many requests. Wait, then try again."

    def __init__(self, retry_after: int, quotas: Sequence[Quota] = ()) -> None:
        seconds = max(1, retry_after)
        super().__init__(f"Too many requests. Try again in {wait(seconds)}.", retry_after=seconds)
        self.quotas = quotas


class Unavailable(AppError):
    """A server behind us did not answer in time; `retry_after` is in whole seconds.

    Counted here, because this is the one place that all who find it out pass through.
    """

    code, status, message = "unavailable", 503, "The service cannot answer now. Try again."

    def __init__(self, dependency: str, retry_after: int = 2) -> None:
        super().__init__(
            f"The service cannot answer now. Try again in {wait(retry_after)}.",
            retry_after=retry_after,
        )
        self.dependency = dependency
        metrics.unavailable(dependency)


WRONG_SECOND_FACTOR = (SecondFactorRequired, SecondFactorInvalid, PasskeyInvalid, PasskeysOff)
WRONG_PROOF = (InvalidCredentials, *WRONG_SECOND_FACTOR)
"""How a request is refused that needs the password, and a second factor, once more."""
