"""Errors of signing in and of accounts: passwords, second factor, passkeys, Google, links in
mails."""

from typing import Any

from chalicelib.errors.base import AppError


class InvalidCredentials(AppError):
    """No account has this login and this password. The error does not say which of the two is
    wrong.

    Type both again. Forgotten passwords are reset by `POST /v1/auth/password/reset-request`.
    """

    code, status, message = "invalid_credentials", 401, "The login or the password is wrong."


class SecondFactorRequired(AppError):
    """The password is right, but the account asks for a second factor as well.

    Send the same request again. Add a code as `second_factor`, or what a passkey answered as
    `passkey`.

    `methods`: the factors that the account accepts: `totp`, `recovery_code` and, with passkeys,
    `passkey`.

    `passkey`: the options for a passkey, for `PublicKeyCredential.parseRequestOptionsFromJSON`.
    Only present if the account has a passkey.
    """

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
    """The password is right, but the code is not: it is mistyped, too old, or was used before.

    Give the code that the app shows now. If none works, check the clock of the device. A recovery
    code works once.
    """

    code, status, message = (
        "second_factor_invalid",
        401,
        "This code is wrong, or was used before.",
    )


class SecondFactorOn(AppError):
    """You asked to set up a second factor, and the account has one.

    Turn it off first, if another app should make the codes.
    """

    code, status, message = "second_factor_on", 409, "A second factor is in use already."


class SecondFactorOff(AppError):
    """You confirmed a second factor or asked for recovery codes, and none was set up.

    Begin with `POST /v1/auth/second-factor`.
    """

    code, status, message = "second_factor_off", 409, "Set up a second factor first."


class GoogleOff(AppError):
    """This deployment has no client id at Google, so nobody can sign in with Google.

    Offer another way to sign in. `GET /v1/auth/google` says in advance whether there is one.
    """

    code, status, message = "google_off", 409, "This server does not know Google accounts."


class GoogleTaken(AppError):
    """You linked a Google account that belongs to another account here, or yours has another one.

    Unlink the old one first, in the account that has it.
    """

    code, status, message = (
        "google_taken",
        409,
        "This Google account signs in elsewhere, or another one signs in here. Unlink that first.",
    )


class LinkRequired(AppError):
    """Somebody signed in with Google, and an account here has the same address but is not linked.
    Google alone does not prove whose account it is.

    Sign in to that account in another way, and link Google by `PUT /v1/auth/google/link`.
    """

    code, status, message = (
        "link_required",
        409,
        "There is an account with this address. Sign in to it, and link Google in its settings.",
    )


class UsernameRequired(AppError):
    """Somebody signed in with Google for the first time, and a new account needs a username.

    Ask for one, and send the same request again with `username`.
    """

    code, status, message = (
        "username_required",
        409,
        "You are new here: choose a username, and send this again with it.",
    )


class PasskeyInvalid(AppError):
    """The passkey is unknown here, or its answer is for another challenge, too old, or was used
    before.

    Start again to get a new challenge, or sign in another way.
    """

    code, status, message = (
        "passkey_invalid",
        401,
        "This passkey did not sign you in. Try again, or use your password.",
    )


class PasskeysOff(AppError):
    """This deployment has no domain for passkeys, so nobody can use them.

    Offer another way to sign in.
    """

    code, status, message = "passkeys_off", 409, "This server does not know passkeys."


class PasskeyKnown(AppError):
    """You added a passkey that an account already has.

    Use it, or make another one.
    """

    code, status, message = "passkey_known", 409, "This passkey is in use already."


class TooManyPasskeys(AppError):
    """You added a passkey, and the account has 20.

    Remove one that you do not use.
    """

    code, status, message = "too_many_passkeys", 409, "Remove a passkey first: you have too many."


class AccountSuspended(AppError):
    """A moderator suspended the account. You see this error only after the right password, passkey
    or Google account.

    Only the people who run this server can restore it.
    """

    code, status, message = "account_suspended", 403, "This account is suspended."


class UsernameTaken(AppError):
    """Somebody registered, or changed a profile, with a username that another account has.

    Choose another one.
    """

    code, status, message = "username_taken", 409, "This username is taken. Choose another one."


class LinkInvalid(AppError):
    """The token of a mailed link is wrong, too old, was used before, or was mailed to another
    account.

    Ask for a new mail, and use its link while you are signed in to the account that it was mailed
    for.
    """

    code, status, message = (
        "link_invalid",
        400,
        "This link is not valid any more. Ask for a new one.",
    )


class IdTokenInvalid(AppError):
    """The ID token of Google is not for this server, does not match the `nonce`, is too old, or was
    used before. The error does not say which.

    Make a new nonce, and have the user sign in at Google again.
    """

    code, status, message = (
        "id_token_invalid",
        400,
        "This sign-in with Google is not valid any more. Start again.",
    )


WRONG_SECOND_FACTOR = (SecondFactorRequired, SecondFactorInvalid, PasskeyInvalid, PasskeysOff)
WRONG_PROOF = (InvalidCredentials, *WRONG_SECOND_FACTOR)
"""The errors of requests that ask for the password and the second factor once more."""
