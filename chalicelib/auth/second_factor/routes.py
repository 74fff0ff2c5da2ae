"""Second factors over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import PasswordProof
from chalicelib.auth.second_factor.models import (
    RecoveryCodeList,
    SecondFactorCode,
    SecondFactorSetup,
    SecondFactorState,
)
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    WRONG_PROOF,
    SecondFactorOff,
    SecondFactorOn,
    UserNotFound,
)
from chalicelib.identity import Identity

bp = Blueprint(__name__)


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
