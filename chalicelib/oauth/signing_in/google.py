"""The way to Google and back, from the sign-in page."""

import hashlib
import secrets
from urllib.parse import urlencode

from chalicelib.auth.google.models import GoogleStart
from chalicelib.errors import Forbidden, GoogleOff
from chalicelib.oauth.signing_in.models import Given
from chalicelib.oauth.signing_in.visitors import SEALED_FORM, Visitor, same

GOOGLE_BACK = "/oauth2/google"
"""Where Google sends users back to. Register the issuer with this path at Google."""


class GoogleRedirect:
    """Sends users to Google for an ID token, and checks that an answer belongs to this browser.
    `start`: None if Google is off."""

    def __init__(self, issuer: str, start: GoogleStart | None) -> None:
        self._back = issuer + GOOGLE_BACK
        self._start = start

    def uri(self, visitor: Visitor, request: str) -> str:
        """Where to send a user. `request`: the program's request. Raises GoogleOff."""
        if self._start is None:
            raise GoogleOff()
        number = secrets.token_urlsafe(16)
        nonce = _nonce(visitor, number)
        asked = {
            "client_id": self._start.client_id,
            "redirect_uri": self._back,
            "response_type": "id_token",
            "scope": "openid email profile",
            "nonce": hashlib.sha256(nonce.encode()).hexdigest(),
            "state": f"{number}.{_state(visitor, request, number)}",
        }
        return f"{self._start.authorization_endpoint}?{urlencode(asked)}"

    def answer(self, form: Given, visitor: Visitor, request: str) -> dict[str, str]:
        """The ID token that Google sent, and the nonce that it must contain. Raises Forbidden if
        this browser did not go to Google for this request of a program."""
        number, _, proof = form.get("state", "").partition(".")
        if not same(_state(visitor, request, number), proof):
            raise Forbidden(SEALED_FORM)
        return {"id_token": form.get("id_token", ""), "nonce": _nonce(visitor, number)}


def _nonce(visitor: Visitor, number: str) -> str:
    """Only this browser knows it; Google gets its digest."""
    return visitor.proof("google nonce", number)


def _state(visitor: Visitor, request: str, number: str) -> str:
    return visitor.proof("google", request, number)
