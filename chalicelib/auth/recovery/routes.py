"""Mailed links over HTTP: reset passwords, verified and changed addresses."""

from chalice import Blueprint

from chalicelib.auth.recovery.models import EmailChange, EmailProof, PasswordReset, ResetRequest
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    WRONG_PROOF,
    LinkInvalid,
    UserNotFound,
)
from chalicelib.identity import Identity, Source

bp = Blueprint(__name__)


@endpoint(bp, "POST /v1/auth/password/reset-request", tag="Accounts", limit="reset", status=204)
def request_reset(body: ResetRequest, source: Source) -> None:
    """Ask for a link to set a new password with.

    It is mailed, if there is such an account. The answer is the same for every address.
    """
    deps.recovery.request_reset(body, source)


@endpoint(
    bp,
    "POST /v1/auth/password/reset",
    tag="Accounts",
    errors=(LinkInvalid, UserNotFound),
    limit="reset",
    status=204,
)
def reset_password(body: PasswordReset, source: Source) -> None:
    """Set a new password with a mailed link.

    All sessions end: sign in with the new password.
    """
    deps.recovery.reset(body, source)


@endpoint(
    bp,
    "POST /v1/auth/email/verify-request",
    tag="Accounts",
    errors=(UserNotFound,),
    scope="account",
    status=204,
)
def request_verification(identity: Identity) -> None:
    """Ask for a link to verify your e-mail address with.

    Nothing is mailed if the address is verified already.
    """
    deps.recovery.request_verification(identity)


@endpoint(
    bp,
    "POST /v1/auth/email/verify",
    tag="Accounts",
    errors=(LinkInvalid, UserNotFound),
    scope="account",
    status=204,
)
def verify_email(identity: Identity, body: EmailProof) -> None:
    """Verify your e-mail address with a mailed link.

    If you have asked for another address, this is when it takes the place of the old one.
    """
    deps.recovery.verify(identity, body.token)


@endpoint(
    bp,
    "POST /v1/users/me/email",
    tag="Accounts",
    errors=WRONG_PROOF,
    scope="account",
    limit="email",
    status=204,
)
def change_email(identity: Identity, body: EmailChange) -> None:
    """Ask for another e-mail address.

    A link is mailed to it. It takes the place of yours when you send the token of the link to
    `POST /v1/auth/email/verify`, within a day. Asking for the address that you have ends a
    change that waits.

    The answer is the same if another account has the address.
    """
    deps.email_changes.ask(identity, body)
