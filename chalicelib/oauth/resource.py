"""The API as a protected resource: what tells programs where to get tokens for it (RFC 9728)."""

from typing import Any

from chalicelib.oauth.models import SERVICE_SCOPES, USER_SCOPES

PATH = "/.well-known/oauth-protected-resource"


def resource_metadata(issuer: str) -> dict[str, Any]:
    """RFC 9728, section 2. The API and the provider have one address, so one identifier."""
    return {
        "resource": issuer,
        "resource_name": "Parley",
        "authorization_servers": [issuer],
        "scopes_supported": [*USER_SCOPES, *sorted(SERVICE_SCOPES)],
        "bearer_methods_supported": ["header"],
    }


def resource_metadata_url(issuer: str) -> str:
    """Where that is, for `WWW-Authenticate: Bearer resource_metadata="…"` (section 5.1).

    It is below the issuer. Where that has a path, as API Gateway's own addresses have, section 3.1
    wants another place, which is outside of what the API can serve (docs/decisions/0040). So
    programs find it there by that header alone.
    """
    return issuer + PATH
