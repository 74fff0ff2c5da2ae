"""PKCE (RFC 7636): what ties a code to the browser that asked for it, and what may stand for it."""

from typing import TYPE_CHECKING, ClassVar

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge

from chalicelib.oauth.models import is_challenge, proves

if TYPE_CHECKING:
    from chalicelib.oauth.grant_types import CodeGrant, Redeemed

MAX_NONCE = 512
"""Characters, of ASCII. A nonce comes back in the ID token, which must stay short enough for a
hint."""


class Pkce(CodeChallenge):
    """Requires a challenge by S256, also of confidential clients. One that was registered without
    `require_pkce` may send a nonce for `openid` in its place, and then checks that itself (RFC
    9700, section 2.1.1). A code that was asked for with a challenge needs its verifier; one that
    was asked for without is refused with any (section 4.8.2)."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]
    CODE_CHALLENGE_METHODS: ClassVar = {"S256": proves}

    def validate_code_challenge(self, grant: "CodeGrant", redirect_uri: str) -> None:
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

    def get_authorization_code_challenge_method(self, authorization_code: "Redeemed") -> str:
        return "S256"
