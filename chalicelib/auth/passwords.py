"""Passwords: what makes a good one, and argon2id to keep them."""

from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chalicelib.config import Settings


class Passwords:
    """Hashes and checks passwords with the parameters of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=1,
        )

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one hashed. Without a hash it is not, after the same work:
        how long the answer takes must not tell whether there is an account."""
        if password_hash is None:
            self.hash(password)
            return False
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(password_hash)

    def weakness(self, password: str, *, names: list[str]) -> str | None:
        """Why the password will not do, if so: it is one of the 30,000 most common ones, or one
        of the user's own names."""
        folded = password.casefold()
        if folded in {name.casefold() for name in names}:
            return "Do not use your name or e-mail address as your password"
        if folded in self._common:
            return "This is one of the most common passwords: choose another one"
        return None

    @cached_property
    def _common(self) -> frozenset[str]:
        from zxcvbn.frequency_lists import FREQUENCY_LISTS

        return frozenset(word.casefold() for word in FREQUENCY_LISTS["passwords"])
