"""Signing in with Google, over HTTP."""

from chalice import Blueprint

from chalicelib.auth.google.models import GoogleCredentials, GoogleLink, GoogleProof, GoogleStart
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    WRONG_PROOF,
    WRONG_SECOND_FACTOR,
    AccountSuspended,
    GoogleOff,
    GoogleTaken,
    IdTokenInvalid,
    LinkRequired,
    UsernameRequired,
    UsernameTaken,
    UserNotFound,
)
from chalicelib.identity import Identity, Source

bp = Blueprint(__name__)

LINK = "/v1/users/me/google"


@endpoint(bp, "GET /v1/auth/google", tag="Google", errors=(GoogleOff,), limit="open", public=True)
def how_to_sign_in_with_google() -> GoogleStart:
    """Get what a sign-in with Google starts with.

    Where to send the browser for an ID token (`response_type=id_token`), and with which client
    id.
    """
    if deps.google_start is None:
        raise GoogleOff()
    return deps.google_start


@endpoint(
    bp,
    "POST /v1/auth/google",
    tag="Google",
    errors=(
        *WRONG_SECOND_FACTOR,
        IdTokenInvalid,
        AccountSuspended,
        UserNotFound,
        GoogleOff,
        LinkRequired,
        UsernameRequired,
        UsernameTaken,
    ),
    limit="google",
)
def sign_in_with_google(body: GoogleCredentials, source: Source) -> SignedIn:
    """Sign in with Google.

    To the account that the Google account is linked to, or to a new one. A new one needs a
    `username`.
    """
    return deps.google.sign_in(body, source)


@endpoint(bp, f"GET {LINK}", tag="Google", errors=(GoogleOff,), scope="account")
def get_google_link(identity: Identity) -> GoogleLink:
    """Get whether a Google account is linked to yours.

    While one is linked, you can sign in with it.
    """
    return deps.google.state(identity)


@endpoint(
    bp,
    f"PUT {LINK}",
    tag="Google",
    errors=(*WRONG_PROOF, IdTokenInvalid, GoogleOff, GoogleTaken),
    scope="account",
    status=204,
)
def link_google(identity: Identity, body: GoogleProof) -> None:
    """Link a Google account to yours.

    You can then sign in with it. You get a mail about it.
    """
    deps.google.link(identity, body)


@endpoint(bp, f"DELETE {LINK}", tag="Google", errors=(GoogleOff,), scope="account", status=204)
def unlink_google(identity: Identity) -> None:
    """Unlink the Google account from yours.

    You cannot sign in with it any more. You get a mail about it.
    """
    deps.google.unlink(identity)
