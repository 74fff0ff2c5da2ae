"""Accounts, sessions and tickets over HTTP."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.auth.models import Credentials, PasswordChange, PasswordProof, Registration
from chalicelib.auth.recovery.models import EmailProof, PasswordReset, ResetRequest
from chalicelib.auth.second_factor.models import (
    RecoveryCodeList,
    SecondFactorCode,
    SecondFactorSetup,
    SecondFactorState,
)
from chalicelib.auth.sessions.models import (
    Jwks,
    RefreshRequest,
    SessionPage,
    SessionQuery,
    SignedIn,
    SocketTicket,
    Tokens,
)
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    WRONG_PROOF,
    AccountSuspended,
    LinkInvalid,
    SecondFactorOff,
    SecondFactorOn,
    Unauthorized,
    UsernameTaken,
    UserNotFound,
)
from chalicelib.identity import Identity, Source
from chalicelib.wire import Id

bp = Blueprint(__name__)

SessionId = Annotated[Id, Field(description="The session's id.")]


@endpoint(
    bp,
    "POST /v1/auth/register",
    tag="Accounts",
    errors=(UsernameTaken,),
    limit="register",
    status=201,
)
def register(body: Registration, client: Source) -> SignedIn:
    """Make an account, and sign in to it.

    A link to verify the address is mailed.

    The answer does not tell whether another account has the address. Until you verify it, you
    sign in with the username.
    """
    return deps.accounts.register(body, client)


@endpoint(
    bp,
    "POST /v1/auth/login",
    tag="Sessions",
    errors=(*WRONG_PROOF, AccountSuspended),
    limit="login",
)
def login(body: Credentials, client: Source) -> SignedIn:
    """Sign in with a password.

    With the username, or with the e-mail address once it is verified.
    """
    return deps.accounts.login(body, client)


@endpoint(bp, "POST /v1/auth/refresh", tag="Sessions", errors=(Unauthorized,), limit="refresh")
def refresh(body: RefreshRequest, client: Source) -> Tokens:
    """Trade a refresh token for fresh tokens.

    Keep the new one: the old one ends when the new one is used.
    """
    return deps.auth.refresh(body.refresh_token, client)


@endpoint(bp, "POST /v1/auth/logout", tag="Sessions", scope="account", status=204)
def logout(identity: Identity) -> None:
    """Sign out.

    This session ends, and its sockets are closed.
    """
    deps.auth.logout(identity)


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
    deps.accounts.change_password(identity, body)


@endpoint(bp, "POST /v1/auth/password/reset-request", tag="Accounts", limit="reset", status=204)
def request_reset(body: ResetRequest, client: Source) -> None:
    """Ask for a link to set a new password with.

    It is mailed, if there is such an account. The answer is the same for every address.
    """
    deps.recovery.request_reset(body, client)


@endpoint(
    bp,
    "POST /v1/auth/password/reset",
    tag="Accounts",
    errors=(LinkInvalid, UserNotFound),
    limit="reset",
    status=204,
)
def reset_password(body: PasswordReset, client: Source) -> None:
    """Set a new password with a mailed link.

    All sessions end: sign in with the new password.
    """
    deps.recovery.reset(body, client)


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
    bp, "GET /v1/auth/second-factor", tag="Second factor", errors=(UserNotFound,), scope="account"
)
def get_second_factor(identity: Identity) -> SecondFactorState:
    """Get whether signing in asks for a second factor.

    And how many recovery codes are left.
    """
    return deps.second_factor.state(identity)


@endpoint(
    bp,
    "POST /v1/auth/second-factor",
    tag="Second factor",
    errors=(*WRONG_PROOF, SecondFactorOn, UserNotFound),
    scope="account",
    status=201,
)
def set_up_second_factor(identity: Identity, body: PasswordProof) -> SecondFactorSetup:
    """Get a secret for your authenticator app.

    Nothing changes until you confirm it with a code.
    """
    return deps.second_factor.set_up(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/second-factor/confirm",
    tag="Second factor",
    errors=(SecondFactorOn, SecondFactorOff),
    scope="account",
)
def confirm_second_factor(identity: Identity, body: SecondFactorCode) -> RecoveryCodeList:
    """Turn the second factor on.

    Signing in asks for a code from now on. Keep the recovery codes: only this answer shows
    them.
    """
    return deps.second_factor.confirm(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/second-factor/recovery-codes",
    tag="Second factor",
    errors=(*WRONG_PROOF, SecondFactorOff, UserNotFound),
    scope="account",
)
def renew_recovery_codes(identity: Identity, body: PasswordProof) -> RecoveryCodeList:
    """Get new recovery codes.

    The old ones are void. Only this answer shows the new ones.
    """
    return deps.second_factor.renew_codes(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/second-factor/disable",
    tag="Second factor",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
    status=204,
)
def disable_second_factor(identity: Identity, body: PasswordProof) -> None:
    """Turn the second factor off.

    Signing in asks for the password alone.
    """
    deps.second_factor.disable(identity, body)


@endpoint(bp, "GET /v1/auth/sessions", tag="Sessions", scope="account")
def list_sessions(identity: Identity, query: SessionQuery) -> SessionPage:
    """List your signed-in devices.

    And the programs that you let in. Newest first.
    """
    return deps.auth.sessions(identity, query)


@endpoint(bp, "DELETE /v1/auth/sessions/{session_id}", tag="Sessions", scope="account", status=204)
def revoke_session(identity: Identity, session_id: SessionId) -> None:
    """End one of your sessions.

    Its sockets are closed.
    """
    deps.auth.revoke(identity, session_id)


@endpoint(bp, "DELETE /v1/auth/sessions", tag="Sessions", scope="account", status=204)
def revoke_other_sessions(identity: Identity) -> None:
    """End all of your sessions but this one.

    Their sockets are closed.
    """
    deps.auth.revoke_others(identity)


@endpoint(bp, "GET /.well-known/jwks.json", tag="OAuth", limit="open", public=True)
def public_keys() -> Jwks:
    """Get the keys that tokens are signed with.

    Access tokens are signed by ES256, ID tokens by RS256. Keep the keys as `Cache-Control`
    says.
    """
    return deps.auth.public_keys()


@endpoint(
    bp, "POST /v1/socket-tickets", tag="Sessions", scope="chats.read", limit="connect", status=201
)
def issue_ticket(identity: Identity) -> SocketTicket:
    """Get a ticket to open a socket with.

    Browsers cannot send a bearer token when they open a socket. Connect to `url` with
    `?ticket=` and the ticket before it ends.
    """
    return deps.auth.issue_ticket(identity)
