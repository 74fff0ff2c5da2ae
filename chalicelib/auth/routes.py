"""Accounts over HTTP: registering, signing in, the password, deleting the account."""

from chalice import Blueprint

from chalicelib.auth.models import Credentials, PasswordChange, PasswordProof, Registration
from chalicelib.auth.sessions.models import (
    SignedIn,
)
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    WRONG_PROOF,
    AccountSuspended,
    LastAdmin,
    UsernameTaken,
    UserNotFound,
)
from chalicelib.identity import Identity, Source

bp = Blueprint(__name__)


@endpoint(
    bp,
    "POST /v1/auth/register",
    tag="Accounts",
    errors=(UsernameTaken,),
    limit="register",
    status=201,
)
def register(body: Registration, source: Source) -> SignedIn:
    """Make an account, and sign in to it.

    A link to verify the address is mailed.

    The answer does not tell whether another account has the address. Until you verify it, you
    sign in with the username.
    """
    return deps.accounts.register(body, source)


@endpoint(
    bp,
    "POST /v1/auth/login",
    tag="Sessions",
    errors=(*WRONG_PROOF, AccountSuspended),
    limit="login",
)
def login(body: Credentials, source: Source) -> SignedIn:
    """Sign in with a password.

    With the username, or with the e-mail address once it is verified.
    """
    return deps.accounts.login(body, source)


@endpoint(
    bp,
    "POST /v1/auth/password",
    tag="Accounts",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
    status=204,
)
def change_password(identity: Identity, body: PasswordChange) -> None:
    """Change your password.

    All other sessions end.
    """
    deps.password_changes.change(identity, body)


@endpoint(
    bp,
    "POST /v1/users/me/delete",
    tag="Accounts",
    errors=(*WRONG_PROOF, LastAdmin),
    scope="account",
    status=204,
)
def delete_me(identity: Identity, body: PasswordProof) -> None:
    """Delete your account.

    Your messages stay, as from a deleted user. This cannot be undone.
    """
    deps.deletion.delete(identity, body)
