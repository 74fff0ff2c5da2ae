"""The API as a protected resource: what tells programs where to get tokens for it (RFC 9728)."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from chalicelib.oauth.metadata import Names, Uri
from chalicelib.oauth.registration import SERVICE_SCOPES, USER_SCOPES


class ResourceMetadata(TypedDict):
    """Where to get tokens for this API, and how to send them."""

    resource: Annotated[Uri, Field(description="The address of this API.")]
    resource_name: Annotated[str, Field(description="Its name.", examples=["Parley"])]
    authorization_servers: Annotated[list[Uri], Field(description="Who issues tokens for it.")]
    scopes_supported: Annotated[Names, Field(description="The scopes.")]
    bearer_methods_supported: Annotated[Names, Field(description="Where an access token is sent.")]


def resource_metadata(issuer: str) -> ResourceMetadata:
    """RFC 9728, section 2. The API and the provider have one address, so one identifier."""
    return {
        "resource": issuer,
        "resource_name": "Parley",
        "authorization_servers": [issuer],
        "scopes_supported": [*USER_SCOPES, *sorted(SERVICE_SCOPES)],
        "bearer_methods_supported": ["header"],
    }
