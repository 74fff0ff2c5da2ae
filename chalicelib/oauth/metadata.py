"""The provider's metadata (RFC 8414, OpenID Connect Discovery)."""

from typing import Any

from chalicelib.oauth.answers import MODES
from chalicelib.oauth.models import SERVICE_SCOPES, USER_SCOPES

_SECRET = ["client_secret_basic", "client_secret_post"]


def metadata(issuer: str) -> dict[str, Any]:
    """One document for both specifications: clients ignore members that they do not know."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "end_session_endpoint": f"{issuer}/oauth2/logout",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": [*USER_SCOPES, *sorted(SERVICE_SCOPES)],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid"),
            *("name", "preferred_username", "picture", "email", "email_verified"),
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": [*MODES],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported": [*_SECRET, "none"],
        "revocation_endpoint_auth_methods_supported": [*_SECRET, "none"],
        "introspection_endpoint_auth_methods_supported": _SECRET,
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
