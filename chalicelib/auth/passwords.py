"""Passwords: which are too weak, and their hashes by argon2id."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chalicelib.config import Settings
from chalicelib.errors import ValidationFailed
from chalicelib.text.characters import shown
from chalicelib.text.sentences import Said, problem
from chalicelib.users.models import Profile
from chalicelib.users.names import PRODUCT

ENOUGH = 10**8
"""How many guesses a password must need at least: zxcvbn's score 3 begins here."""

JUDGED = 72
"""Only so many characters are judged: the time grows faster than their square."""

WEAK = Said("weak", "This password is easily guessed.")
_WORD_OF_ALL = Said("weak_word", "This is mostly a common word.")
_NAME_OF_ALL = Said("weak_name", "This is mostly a common name.")

REASONS = {
    "user_inputs": Said(
        "weak_own_names", "This is mostly your name, your address or the name of this service."
    ),
    "passwords": Said("weak_common", "This is one of the most common passwords, or close to one."),
    "english_wikipedia": _WORD_OF_ALL,
    "us_tv_and_film": _WORD_OF_ALL,
    "male_names": _NAME_OF_ALL,
    "female_names": _NAME_OF_ALL,
    "surnames": _NAME_OF_ALL,
    "spatial": Said("weak_keys", "These keys are beside each other."),
    "repeat": Said("weak_repeat", "This repeats itself."),
    "sequence": Said("weak_sequence", "This is mostly a sequence, such as abcd or 4321."),
    "regex": Said("weak_year", "This is mostly a year."),
    "date": Said("weak_date", "This is mostly a date."),
}
"""Why a password is weak, by the longest part that zxcvbn knows."""

ADVICE = "Choose a longer one, such as four words that do not belong together."

MOST_SIGNS = 6
"""How many kinds of signs in a password may each stand for letters (@ for a). zxcvbn tries all
combinations, which are hundreds if a password has every sign. With more kinds, the signs for one
letter become one sign."""

_SIGNS = frozenset("0123456789@({[<!|$+%")
_ONE_SIGN = str.maketrans("@{[<!|$+", "4(((1157")
_WORD = re.compile(r"[^\W_]{3,}")


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
        """Whether the password matches the hash. Without a hash the answer is False, after the same
        work: the time must not reveal whether the account exists."""
        if password_hash is None:
            self.hash(password)
            return False
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def refuse_weak(self, password: str, user: Profile, *, field: str) -> None:
        """Raises ValidationFailed, about `field`, for a password that is easily guessed."""
        mailbox = user.email.partition("@")[0]
        names = [user.username, user.email, mailbox, user.display_name]
        if (weakness := self.weakness(password, names=names)) is not None:
            raise ValidationFailed([problem(field, weakness.kind, weakness.sentence)])

    def weakness(self, password: str, *, names: list[str]) -> Said | None:
        """Why the password is too weak, or None. It is if zxcvbn finds it in fewer than ENOUGH
        guesses; it tries the user's own names and ours first. Takes about 200 ms at most."""
        from zxcvbn import zxcvbn

        words = [word for name in (PRODUCT, *names) for word in (name, *_WORD.findall(name))]
        found = zxcvbn(_judged(password), user_inputs=words)
        if found["guesses"] >= ENOUGH:
            return None
        longest = max(found["sequence"], key=lambda match: len(match["token"]))
        reason = _reason(longest)
        return Said(reason.kind, f"{reason.sentence} {ADVICE}")


def _judged(password: str) -> str:
    """The text that zxcvbn judges: the visible characters of the password, as plain letters."""
    seen = unicodedata.normalize("NFKC", shown(password))[:JUDGED] or " "
    return seen.translate(_ONE_SIGN) if len(_SIGNS.intersection(seen)) > MOST_SIGNS else seen


def _reason(match: Mapping[str, Any]) -> Said:
    kind = match["pattern"]
    if kind == "dictionary":
        kind = match["dictionary_name"]
    return REASONS.get(kind, WEAK)
