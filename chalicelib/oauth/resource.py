"""The API as a protected resource: what tells programs where to get tokens for it (RFC 9728)."""

from typing import Any

from chalicelib.oauth.models import SERVICE_SCOPES, USER_SCOPES


def resource_metadata(issuer: str) -> dict[str, Any]:
    """RFC 9728, section 2. The API and the provider have one address, so one identifier."""
    return {
        "resource": issuer,
        "resource_name": "Parley",
        "authorization_servers": [issuer],
        "scopes_supported": [*USER_SCOPES, *sorted(SERVICE_SCOPES)],
        "bearer_methods_supported": ["header"],
    }
