"""PKCE (RFC 7636) ties a code to the browser that asked for it. Some clients may send a nonce
instead."""

import base64
import hashlib
import hmac
import re
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

MAX_NONCE = 512
"""Characters, of ASCII. The ID token contains the nonce, and must stay short enough to be sent as
`id_token_hint`."""


def challenge_of(verifier: str) -> str:
    """The challenge for a code verifier (RFC 7636, S256)."""
    made = hashlib.sha256(verifier.encode(errors="replace")).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def proves(verifier: str, challenge: str) -> bool:
    """Whether a challenge was made from a code verifier."""
    return hmac.compare_digest(challenge_of(verifier).encode(), challenge.encode())


def is_challenge(value: str) -> bool:
    """Whether a value has the form of an S256 challenge."""
    return _CHALLENGE.fullmatch(value) is not None


class Pkce(CodeChallenge):
    """Requires an S256 challenge, also from confidential clients. A client that is registered
    without `require_pkce` may send a nonce for `openid` instead, and must check that itself (RFC
    9700, section 2.1.1). A code that was requested with a challenge needs its verifier. A code that
    was requested without one is refused with any verifier (section 4.8.2)."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]
    CODE_CHALLENGE_METHODS: ClassVar = {"S256": proves}

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        given = grant.request.form
        nonce = given.get("nonce", "")
        if len(nonce) > MAX_NONCE or not (nonce.isascii() and nonce.isprintable()):
            raise InvalidRequestError(f"A nonce has at most {MAX_NONCE} characters, of ASCII.")
        if not {"code_challenge", "code_challenge_method"} & given.keys():
            if grant.request.client.client.require_pkce:
                raise InvalidRequestError("Use PKCE: send a code_challenge made by S256.")
            if "nonce" not in given or "openid" not in grant.request.scope.split():
                raise InvalidRequestError("Use PKCE, or ask for openid and send a nonce.")
            return
        method, challenge = given.get("code_challenge_method"), given.get("code_challenge", "")
        if method != "S256" or not is_challenge(challenge):
            raise InvalidRequestError("Use PKCE: send a code_challenge made by S256, and say so.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
        return "S256"
