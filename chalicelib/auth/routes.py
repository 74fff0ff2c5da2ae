"""Accounts, sessions and tickets over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import (
    Client,
    Credentials,
    EmailProof,
    Enrolment,
    Identity,
    Jwks,
    PasswordChange,
    PasswordProof,
    PasswordReset,
    RecoveryCodes,
    RefreshRequest,
    Registration,
    ResetRequest,
    SecondFactorCode,
    SecondFactorState,
    SessionPage,
    SessionQuery,
    SignedIn,
    SocketTicket,
    Tokens,
)
from chalicelib.deps import deps
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
from chalicelib.rest import endpoint
from chalicelib.wire import Id

bp = Blueprint(__name__)


@endpoint(
    bp,
    "POST /v1/auth/register",
    errors=(UsernameTaken,),
    limit="register",
    status=201,
)
def register(body: Registration, client: Client) -> SignedIn:
    """Make an account, and sign in to it. A link to verify the address is mailed.

    Nothing tells whether another account has the address: until you verify it, you sign in with
    the username.
    """
    return deps.accounts.register(body, client)


@endpoint(
    bp,
    "POST /v1/auth/login",
    errors=(*WRONG_PROOF, AccountSuspended),
    limit="login",
)
def login(body: Credentials, client: Client) -> SignedIn:
    """Sign in with a username or a verified e-mail address, and a password."""
    return deps.accounts.login(body, client)


@endpoint(bp, "POST /v1/auth/refresh", errors=(Unauthorized,), limit="refresh")
def refresh(body: RefreshRequest, client: Client) -> Tokens:
    """Trade a refresh token for fresh tokens. Keep the new one: the old one ends with its use."""
    return deps.auth.refresh(body.refresh_token, client)


@endpoint(bp, "POST /v1/auth/logout", scope="account", status=204)
def logout(identity: Identity) -> None:
    """End this session and close its sockets."""
    deps.auth.logout(identity)


@endpoint(
    bp,
    "POST /v1/auth/password",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
    status=204,
)
def change_password(identity: Identity, body: PasswordChange) -> None:
    """Set a new password; all other sessions end."""
    deps.accounts.change_password(identity, body)


@endpoint(bp, "POST /v1/auth/password/reset-request", limit="reset", status=204)
def request_reset(body: ResetRequest, client: Client) -> None:
    """Have a link mailed to set a new password with. The answer is the same for every address."""
    deps.recovery.request_reset(body, client)


@endpoint(
    bp,
    "POST /v1/auth/password/reset",
    errors=(LinkInvalid, UserNotFound),
    limit="reset",
    status=204,
)
def reset_password(body: PasswordReset, client: Client) -> None:
    """Set a new password with the token of a mailed link; all sessions end."""
    deps.recovery.reset(body, client)


@endpoint(
    bp, "POST /v1/auth/email/verify-request", errors=(UserNotFound,), scope="account", status=204
)
def request_verification(identity: Identity) -> None:
    """Have a link mailed to verify your e-mail address with, unless it is verified."""
    deps.recovery.request_verification(identity)


@endpoint(
    bp,
    "POST /v1/auth/email/verify",
    errors=(LinkInvalid, UserNotFound),
    scope="account",
    status=204,
)
def verify_email(identity: Identity, body: EmailProof) -> None:
    """Verify your e-mail address with the token of a mailed link."""
    deps.recovery.verify(identity, body.token)


@endpoint(bp, "GET /v1/auth/second-factor", errors=(UserNotFound,), scope="account")
def get_second_factor(identity: Identity) -> SecondFactorState:
    """Whether signing in to your account asks for a second factor."""
    return deps.second_factor.state(identity)


@endpoint(
    bp,
    "POST /v1/auth/second-factor",
    errors=(*WRONG_PROOF, SecondFactorOn, UserNotFound),
    scope="account",
    status=201,
)
def set_up_second_factor(identity: Identity, body: PasswordProof) -> Enrolment:
    """A secret for your authenticator app. Confirm it with a code to have it asked for."""
    return deps.second_factor.set_up(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/second-factor/confirm",
    errors=(SecondFactorOn, SecondFactorOff),
    scope="account",
)
def confirm_second_factor(identity: Identity, body: SecondFactorCode) -> RecoveryCodes:
    """Ask for a code at sign-in from now on. Keep the recovery codes: they are shown only here."""
    return deps.second_factor.confirm(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/second-factor/recovery-codes",
    errors=(*WRONG_PROOF, SecondFactorOff, UserNotFound),
    scope="account",
)
def renew_recovery_codes(identity: Identity, body: PasswordProof) -> RecoveryCodes:
    """New recovery codes; the old ones are void."""
    return deps.second_factor.renew_codes(identity, body)


@endpoint(
    bp,
    "POST /v1/auth/second-factor/disable",
    errors=(*WRONG_PROOF, UserNotFound),
    scope="account",
    status=204,
)
def disable_second_factor(identity: Identity, body: PasswordProof) -> None:
    """Have signing in ask for a password alone."""
    deps.second_factor.disable(identity, body)


@endpoint(bp, "GET /v1/auth/sessions", scope="account")
def list_sessions(identity: Identity, query: SessionQuery) -> SessionPage:
    """Your signed-in devices, newest first."""
    return deps.auth.sessions(identity, query)


@endpoint(bp, "DELETE /v1/auth/sessions/{session_id}", scope="account", status=204)
def revoke_session(identity: Identity, session_id: Id) -> None:
    """End one of your sessions and close its sockets."""
    deps.auth.revoke(identity, session_id)


@endpoint(bp, "DELETE /v1/auth/sessions", scope="account", status=204)
def revoke_other_sessions(identity: Identity) -> None:
    """End all of your sessions but this one."""
    deps.auth.revoke_others(identity)


@endpoint(bp, "GET /.well-known/jwks.json", limit="open", public=True)
def public_keys() -> Jwks:
    """The keys that our tokens are signed with: access tokens by ES256, ID tokens by RS256."""
    return deps.auth.public_keys()


@endpoint(bp, "POST /v1/socket-tickets", scope="chats.read", limit="connect", status=201)
def issue_ticket(identity: Identity) -> SocketTicket:
    """A ticket to open one socket with, soon."""
    return deps.auth.issue_ticket(identity)
