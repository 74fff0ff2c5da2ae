"""HTTP routes for the provider's metadata."""

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.edge.headers import RESOURCE_METADATA
from chalicelib.edge.rest import endpoint
from chalicelib.oauth.metadata import (
    ResourceMetadata,
    ServerMetadata,
    resource_metadata,
    server_metadata,
)

bp = Blueprint(__name__)


@endpoint(bp, "GET /.well-known/openid-configuration", tag="OAuth", limit="open", public=True)
def openid_configuration() -> ServerMetadata:
    """Get the provider's metadata for OpenID Connect.

    The endpoints, and what they support (OpenID Connect Discovery).
    """
    return server_metadata(deps.settings.issuer)


@endpoint(bp, "GET /.well-known/oauth-authorization-server", tag="OAuth", limit="open", public=True)
def authorization_server() -> ServerMetadata:
    """Get the provider's metadata for OAuth 2.0.

    The same as for OpenID Connect (RFC 8414).
    """
    return server_metadata(deps.settings.issuer)


@endpoint(bp, f"GET {RESOURCE_METADATA}", tag="OAuth", limit="open", public=True)
def protected_resource() -> ResourceMetadata:
    """Get where tokens for this API come from.

    For programs that were refused by this API (RFC 9728).
    """
    return resource_metadata(deps.settings.issuer)
