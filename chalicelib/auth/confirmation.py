"""Confirmation: a signed-in user gives their password and second factor once more."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from chalicelib.auth.models import PasswordProof, Proof
from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.auth.racing import repeat
from chalicelib.errors import InvalidCredentials, SecondFactorRequired
from chalicelib.identity import Identity

if TYPE_CHECKING:
    from chalicelib.auth.passwords import Passwords
    from chalicelib.auth.store import AccountStore
    from chalicelib.limits.guesses import Throttle

T = TypeVar("T")

RACERS = 3
"""How many other changes of the password, between our check and our change, before we give up."""


class Match(NamedTuple):
    """A password, and the stored hash that it matched."""

    hash: str
    password: str


class ChecksCodes(Protocol):
    """What Confirmation needs of SecondFactor."""

    def is_on(self, user_id: str) -> bool: ...

    def check(self, user_id: str, code: str) -> None: ...


class ChecksPasskeys(Protocol):
    """What Confirmation needs of Passkeys."""

    def offer(self, user_id: str) -> dict[str, Any] | None: ...

    def check(self, user_id: str, answer: PasskeyAnswer) -> None: ...


class Confirmation:
    """Attempts are limited before a password is hashed.

    `second_factor` and `passkeys` are called when needed: they need a Confirmation themselves.
    """

    def __init__(
        self,
        *,
        store: "AccountStore",
        passwords: "Passwords",
        throttle: "Throttle",
        second_factor: Callable[[], ChecksCodes],
        passkeys: Callable[[], ChecksPasskeys],
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._second_factor = second_factor
        self._passkeys = passkeys

    def confirm(self, identity: Identity, proof: PasswordProof) -> None:
        """Raises InvalidCredentials unless it is the caller's password, RateLimited, and what
        `check_second_factor` does where the caller has a second factor."""
        self.do_with(identity, proof, lambda _: True)

    def do_with(self, identity: Identity, proof: PasswordProof, act: Callable[[str], bool]) -> None:
        """Like `confirm`; then call `act` with the hash that was checked. If the hash has changed
        since, `act` must change nothing and return False. Then the password is checked again."""
        ask = self.asking(identity, proof)

        def checked(found: Match | None) -> Literal[True] | None:
            if found is None:
                raise InvalidCredentials(WRONG)
            ask()
            return True if act(found.hash) else None

        self.with_password(identity, proof.password, checked)

    def with_password(
        self,
        identity: Identity,
        password: str,
        act: Callable[[Match | None], T | None],
        *,
        or_else: str | None = None,
    ) -> T:
        """Check the caller's password, and call `act` with the match: None if the account is
        deleted. `act` returns None if the password has changed since: then it is checked again.
        `or_else`: a second password that may match.

        Raises InvalidCredentials, RateLimited, and Unavailable after RACERS changes.
        """
        return repeat(RACERS, lambda: act(self._check(identity, password, or_else)))

    def asking(self, identity: Identity, proof: Proof) -> Callable[[], None]:
        """Returns a function that checks the second factor, if the caller has one. Only its first
        call checks, because a code works once. Raises what `check_second_factor` does."""

        @cache
        def ask() -> None:
            if self._second_factor().is_on(identity.user_id):
                self.check_second_factor(
                    identity.user_id, code=proof.second_factor, passkey=proof.passkey
                )

        return ask

    def check_second_factor(
        self, user_id: str, *, code: str | None, passkey: PasskeyAnswer | None
    ) -> None:
        """Raises SecondFactorRequired if neither a code nor a passkey is given, SecondFactorInvalid
        or PasskeyInvalid for a wrong one, PasskeysOff, RateLimited."""
        if passkey is not None:
            self._passkeys().check(user_id, passkey)
        elif code is not None:
            self._second_factor().check(user_id, code)
        else:
            raise SecondFactorRequired(self._passkeys().offer(user_id))

    def _check(self, identity: Identity, password: str, or_else: str | None) -> Match | None:
        """The hash that either password matched; None if the account is deleted. Raises
        InvalidCredentials."""
        read = cache(self._store.password_hash)
        # When a change is repeated, the new password is in force already, so that one is tried too.
        # It counts as one more guess.
        for one in filter(None, dict.fromkeys([password, or_else])):
            with suppress(InvalidCredentials), self._throttle.password(identity.user_id):
                password_hash = read(identity.user_id)
                if password_hash is None or not self._passwords.verify(password_hash, one):
                    raise InvalidCredentials()
                return Match(password_hash, one)
            if password_hash is None:
                return None
        raise InvalidCredentials(WRONG)


WRONG = "The password is wrong. If you never chose one, have a link mailed to set it."
