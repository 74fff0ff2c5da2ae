"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyotp

from chalicelib.auth.models import PasswordProof
from chalicelib.auth.second_factor.models import (
    RecoveryCodeList,
    SecondFactorCode,
    SecondFactorSetup,
    SecondFactorState,
)
from chalicelib.clock import NOW
from chalicelib.errors import (
    SecondFactorInvalid,
    SecondFactorOff,
    SecondFactorOn,
    ValidationFailed,
)
from chalicelib.identity import Identity
from chalicelib.text.sentences import problem

if TYPE_CHECKING:
    from chalicelib.auth.second_factor.store import Factor, SecondFactorStore
    from chalicelib.limits.guesses import Throttle
    from chalicelib.users.profiles import Users

ISSUER = "Parley"
CODES = 10
DRIFT = 1
"""How many steps of 30 seconds clocks may differ by (RFC 6238, section 5.2)."""


class SecondFactor:
    """`confirm` is Confirmation.confirm: it also asks for the second factor if one is on."""

    def __init__(
        self,
        *,
        store: "SecondFactorStore",
        throttle: "Throttle",
        users: "Users",
        confirm: Callable[[Identity, PasswordProof], None],
    ) -> None:
        self._store = store
        self._throttle = throttle
        self._users = users
        self._confirm = confirm

    def state(self, identity: Identity) -> SecondFactorState:
        """Whether the caller has a second factor, and how many recovery codes are left."""
        factor = self._store.factor(identity.user_id)
        if factor is None or not factor.confirmed:
            return SecondFactorState(enabled=False, recovery_codes_left=0)
        return SecondFactorState(enabled=True, recovery_codes_left=factor.codes_left)

    def is_on(self, user_id: str) -> bool:
        """Whether a user has a second factor."""
        factor = self._store.factor(user_id)
        return factor is not None and factor.confirmed

    def set_up(self, identity: Identity, proof: PasswordProof) -> SecondFactorSetup:
        """A secret for an authenticator app, which only this answer contains. It is in force once
        `confirm` gets a code made with it. Raises SecondFactorOn, InvalidCredentials, RateLimited.
        """
        if self.is_on(identity.user_id):
            raise SecondFactorOn()
        self._confirm(identity, proof)
        secret = pyotp.random_base32()
        if not self._store.propose(identity.user_id, secret):
            raise SecondFactorOn()
        username = self._users.me(identity.user_id).username
        uri = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)
        return SecondFactorSetup(secret=secret, uri=uri)

    def confirm(self, identity: Identity, given: SecondFactorCode) -> RecoveryCodeList:
        """Turn the second factor on. Only this answer contains the recovery codes.

        Raises ValidationFailed for a wrong code, SecondFactorOn, SecondFactorOff if none was set
        up, RateLimited.
        """
        with self._throttle.code(identity.user_id):
            return self._confirm_proposed(identity.user_id, given.code)

    def _confirm_proposed(self, user_id: str, code: str) -> RecoveryCodeList:
        factor = self._store.factor(user_id)
        if factor is None:
            raise SecondFactorOff()
        if factor.confirmed:
            raise SecondFactorOn()
        step = _step(factor, code)
        if step is None:
            raise ValidationFailed(
                [
                    problem(
                        "code",
                        "wrong_code",
                        "This code is wrong. Give the one that the app shows now.",
                    )
                ]
            )
        codes = _codes()
        digests = [_digest(one) for one in codes]
        if not self._store.confirm(user_id, factor.secret, step, digests, NOW):
            raise SecondFactorOn()  # another request was faster
        return RecoveryCodeList(recovery_codes=codes)

    def renew_codes(self, identity: Identity, proof: PasswordProof) -> RecoveryCodeList:
        """New recovery codes, which only this answer contains; the old ones are void. Raises
        SecondFactorOff, and what `Confirmation.confirm` does."""
        self._confirm(identity, proof)
        codes = _codes()
        digests = [_digest(code) for code in codes]
        if not self._store.replace_codes(identity.user_id, digests, NOW):
            raise SecondFactorOff()
        return RecoveryCodeList(recovery_codes=codes)

    def disable(self, identity: Identity, proof: PasswordProof) -> None:
        """Turn the second factor off. Safe to repeat. Raises what `Confirmation.confirm` does."""
        self._confirm(identity, proof)
        self._store.remove(identity.user_id, NOW)

    def check(self, user_id: str, code: str) -> None:
        """Check a code of the authenticator app or a recovery code. Each works once. Raises
        SecondFactorInvalid, RateLimited."""
        with self._throttle.code(user_id):
            if not self._use(user_id, code):
                raise SecondFactorInvalid()

    def _use(self, user_id: str, code: str) -> bool:
        if not _is_totp(code):
            return self._store.use_code(user_id, _digest(code), NOW)
        factor = self._store.factor(user_id)
        step = _step(factor, code) if factor is not None else None
        return step is not None and self._store.use_step(user_id, step)


def _step(factor: "Factor", code: str) -> int | None:
    """The time step of a code, if it is close to the current one by PostgreSQL's clock."""
    totp = pyotp.TOTP(factor.secret)
    present = factor.read_at // totp.interval
    found = [
        step
        for step in range(present - DRIFT, present + DRIFT + 1)
        if hmac.compare_digest(totp.generate_otp(step), code)
    ]
    return found[-1] if found else None


def _is_totp(code: str) -> bool:
    return len(code) == 6 and code.isdecimal()


def _codes() -> list[str]:
    """80 random bits each, so a plain hash is enough to store them."""
    texts = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(CODES)]
    return ["-".join(text[n : n + 4] for n in range(0, 16, 4)) for text in texts]


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.replace("-", "").encode()).digest()
