"""Passkeys over HTTP."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.auth.models import PasswordProof
from chalicelib.auth.passkeys.models import (
    NewPasskey,
    PasskeyInfo,
    PasskeyList,
    PasskeyName,
    PasskeyOptions,
    PasskeySignIn,
)
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    WRONG_PROOF,
    AccountSuspended,
    PasskeyInvalid,
    PasskeyKnown,
    PasskeysOff,
    TooManyPasskeys,
    UserNotFound,
)
from chalicelib.identity import Identity, Source
from chalicelib.wire import Id

bp = Blueprint(__name__)

PasskeyId = Annotated[Id, Field(description="The passkey's id.")]


@endpoint(
    bp, "POST /v1/auth/login/passkey/begin", tag="Passkeys", errors=(PasskeysOff,), limit="open"
)
def begin_passkey_sign_in() -> PasskeyOptions:
    """Get the options to ask a passkey for a sign-in with.

    They are good for five minutes, once.
    """
    return deps.passkeys.begin_sign_in()


@endpoint(
    bp,
    "POST /v1/auth/login/passkey",
    tag="Passkeys",
    errors=(PasskeyInvalid, PasskeysOff, AccountSuspended, UserNotFound),
    limit="passkey-answer",
)
def sign_in_by_passkey(body: PasskeySignIn, source: Source) -> SignedIn:
    """Sign in by a passkey alone.

    No second factor is asked for, since the passkey verified its user.
    """
    return deps.passkeys.sign_in(body, source)


@endpoint(
    bp,
    "POST /v1/auth/passkeys/begin",
    tag="Passkeys",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
)
def begin_passkey(identity: Identity, body: PasswordProof) -> PasskeyOptions:
    """Get the options to make a passkey with.

    They are good for five minutes, once.
    """
    return deps.passkeys.begin(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/passkeys",
    tag="Passkeys",
    errors=(PasskeysOff, PasskeyKnown, TooManyPasskeys, UserNotFound),
    scope="account",
    status=201,
)
def add_passkey(identity: Identity, body: NewPasskey) -> PasskeyInfo:
    """Add the passkey that was made.

    You can then sign in by it. You get a mail about it.
    """
    return deps.passkeys.add(identity, body)


@endpoint(bp, "GET /v1/auth/passkeys", tag="Passkeys", scope="account")
def list_passkeys(identity: Identity) -> PasskeyList:
    """List your passkeys.

    Oldest first.
    """
    return deps.passkeys.all(identity)


@endpoint(bp, "PATCH /v1/auth/passkeys/{passkey_id}", tag="Passkeys", scope="account")
def rename_passkey(identity: Identity, passkey_id: PasskeyId, body: PasskeyName) -> PasskeyInfo:
    """Rename one of your passkeys.

    The name is for you alone.
    """
    return deps.passkeys.rename(identity, passkey_id, body)


@endpoint(bp, "DELETE /v1/auth/passkeys/{passkey_id}", tag="Passkeys", scope="account", status=204)
def remove_passkey(identity: Identity, passkey_id: PasskeyId) -> None:
    """Remove one of your passkeys.

    It cannot sign in any more. You get a mail about it.
    """
    deps.passkeys.remove(identity, passkey_id)
