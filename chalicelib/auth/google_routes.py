"""Signing in with Google, over HTTP."""

from chalice import Blueprint

from chalicelib.auth.google_models import GoogleCredentials, GoogleLink, GoogleProof, GoogleStart
from chalicelib.auth.models import Client, Identity, SignedIn
from chalicelib.deps import deps
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
from chalicelib.rest import endpoint

bp = Blueprint(__name__)

LINK = "/v1/users/me/google"


@endpoint(bp, "GET /v1/auth/google", errors=(GoogleOff,), limit="open", public=True)
def how_to_sign_in_with_google() -> GoogleStart:
    """Where to get an ID token from Google, and with which client id."""
    if deps.google_start is None:
        raise GoogleOff()
    return deps.google_start


@endpoint(
    bp,
    "POST /v1/auth/google",
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
def sign_in_with_google(body: GoogleCredentials, client: Client) -> SignedIn:
    """Sign in with an ID token of Google, to the linked account or a new one."""
    return deps.google.sign_in(body, client)


@endpoint(bp, f"GET {LINK}", errors=(GoogleOff,), scope="account")
def get_google_link(identity: Identity) -> GoogleLink:
    """Whether a Google account is linked to your account."""
    return deps.google.state(identity)


@endpoint(
    bp,
    f"PUT {LINK}",
    errors=(*WRONG_PROOF, IdTokenInvalid, GoogleOff, GoogleTaken),
    scope="account",
    status=204,
)
def link_google(identity: Identity, body: GoogleProof) -> None:
    """Link a Google account to your account, to sign in with. You get a mail about it."""
    deps.google.link(identity, body)


@endpoint(bp, f"DELETE {LINK}", errors=(GoogleOff,), scope="account", status=204)
def unlink_google(identity: Identity) -> None:
    """Unlink the Google account from your account. You get a mail about it."""
    deps.google.unlink(identity)
