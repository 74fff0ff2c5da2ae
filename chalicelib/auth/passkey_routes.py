"""Passkeys over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import Client, Identity, PasswordProof, SignedIn
from chalicelib.auth.passkey_models import (
    NewPasskey,
    PasskeyInfo,
    PasskeyList,
    PasskeyName,
    PasskeyOptions,
    PasskeySignIn,
)
from chalicelib.deps import deps
from chalicelib.errors import (
    WRONG_PROOF,
    AccountSuspended,
    PasskeyInvalid,
    PasskeyKnown,
    PasskeysOff,
    TooManyPasskeys,
    UserNotFound,
)
from chalicelib.rest import endpoint
from chalicelib.wire import Id

bp = Blueprint(__name__)


@endpoint(bp, "POST /v1/auth/login/passkey/begin", errors=(PasskeysOff,), limit="open")
def begin_passkey_sign_in() -> PasskeyOptions:
    """The options to ask a passkey with, to sign in by it alone."""
    return deps.passkeys.begin_sign_in()


@endpoint(
    bp,
    "POST /v1/auth/login/passkey",
    errors=(PasskeyInvalid, PasskeysOff, AccountSuspended, UserNotFound),
    limit="passkey-answer",
)
def sign_in_by_passkey(body: PasskeySignIn, client: Client) -> SignedIn:
    """Sign in by a passkey alone. No second factor is asked for: it verified its user."""
    return deps.passkeys.sign_in(body, client)


@endpoint(
    bp,
    "POST /v1/auth/passkeys/begin",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
)
def begin_passkey(identity: Identity, body: PasswordProof) -> PasskeyOptions:
    """The options to make a passkey with."""
    return deps.passkeys.begin(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/passkeys",
    errors=(PasskeysOff, PasskeyKnown, TooManyPasskeys, UserNotFound),
    scope="account",
    status=201,
)
def add_passkey(identity: Identity, body: NewPasskey) -> PasskeyInfo:
    """Add the passkey that was made. You get a mail about it."""
    return deps.passkeys.add(identity, body)


@endpoint(bp, "GET /v1/auth/passkeys", scope="account")
def list_passkeys(identity: Identity) -> PasskeyList:
    """Your passkeys, oldest first."""
    return deps.passkeys.all(identity)


@endpoint(bp, "PATCH /v1/auth/passkeys/{passkey_id}", scope="account")
def rename_passkey(identity: Identity, passkey_id: Id, body: PasskeyName) -> PasskeyInfo:
    """Give one of your passkeys another name."""
    return deps.passkeys.rename(identity, passkey_id, body)


@endpoint(bp, "DELETE /v1/auth/passkeys/{passkey_id}", scope="account", status=204)
def remove_passkey(identity: Identity, passkey_id: Id) -> None:
    """Remove one of your passkeys. You get a mail about it."""
    deps.passkeys.remove(identity, passkey_id)
