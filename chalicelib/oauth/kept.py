"""What a user has given so far, while a page asks for more."""

import base64
import json
from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chalicelib.auth.passkeys.challenges import SECONDS

KEYS_FOR = b"parley sign-in steps 1"
"""What the keys of Kept are derived for."""

MAX_KEPT = 24 * 1024


class Kept:
    """Encrypts it into a field of the page, so that nothing is stored. The field is good for
    SECONDS, in its own browser. Nobody else can read it, nor can the browser."""

    def __init__(self, keys: Callable[[], Sequence[bytes]], clock: Callable[[], float]) -> None:
        """`keys`: the first encrypts, all decrypt."""
        self._keys = keys
        self._clock = clock

    def close(self, given: dict[str, str], mark: str) -> str:
        """The field. `mark`: the secret of the browser."""
        text = json.dumps([mark, given]).encode()
        return self._box().encrypt_at_time(text, int(self._clock())).decode()

    def open(self, field: str, mark: str) -> dict[str, str] | None:
        """What was given; None for a field that is too old, or not of this browser."""
        if not field.isascii() or len(field) > MAX_KEPT:
            return None
        try:
            text = self._box().decrypt_at_time(field, SECONDS, int(self._clock()))
        except InvalidToken:
            return None
        owner, given = json.loads(text)
        return dict(given) if owner == mark else None

    def _box(self) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in self._keys()])
