"""What a user gave in earlier steps of a sign-in, encrypted into the page."""

import base64
import json
from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chalicelib.auth.passkeys.challenges import SECONDS

KEYS_FOR = b"parley sign-in steps 1"
"""The purpose that the keys of Kept are derived for."""

MAX_KEPT = 24 * 1024


class Kept:
    """Encrypts a form field, so that nothing is stored. The field is valid for SECONDS, in its own
    browser. Only this service can decrypt it."""

    def __init__(self, keys: Callable[[], Sequence[bytes]], clock: Callable[[], float]) -> None:
        """`keys`: the first one encrypts, each can decrypt. `clock`: seconds since 1970."""
        self._keys = keys
        self._clock = clock

    def close(self, given: dict[str, str], mark: str) -> str:
        """The field. `mark`: the secret of the browser."""
        text = json.dumps([mark, given]).encode()
        return self._box().encrypt_at_time(text, int(self._clock())).decode()

    def open(self, field: str, mark: str) -> dict[str, str] | None:
        """What was given; None for a field that is too old, or of another browser."""
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
