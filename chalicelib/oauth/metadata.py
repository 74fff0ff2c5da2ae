"""The metadata of the provider (RFC 8414, OpenID Connect Discovery) and of the API (RFC 9728)."""

from typing import Annotated

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from chalicelib.oauth.authorize.answers import MODES
from chalicelib.oauth.scopes import SERVICE_SCOPES, USER_SCOPES

_SECRET = ["client_secret_basic", "client_secret_post"]
_URI = WithJsonSchema({"type": "string", "format": "uri"})

Uri = Annotated[str, _URI, Field(examples=["https://chat.example.org/oauth2/authorize"])]
Names = Annotated[list[str], Field(examples=[["none"]])]


class ServerMetadata(TypedDict):
    """The provider's endpoints, and what they support."""

    issuer: Annotated[Uri, Field(description="The address of this API, as tokens name it.")]
    authorization_endpoint: Annotated[Uri, Field(description="Where programs send users.")]
    token_endpoint: Annotated[Uri, Field(description="Where programs get tokens.")]
    revocation_endpoint: Annotated[
        Uri, Field(description="Where programs revoke tokens (RFC 7009).")
    ]
    introspection_endpoint: Annotated[
        Uri, Field(description="Where programs check tokens (RFC 7662).")
    ]
    userinfo_endpoint: Annotated[Uri, Field(description="Where programs read about the user.")]
    end_session_endpoint: Annotated[
        Uri, Field(description="Where programs send users to sign out.")
    ]
    jwks_uri: Annotated[Uri, Field(description="The public keys that verify signatures.")]
    scopes_supported: Annotated[Names, Field(description="The scopes.")]
    claims_supported: Annotated[Names, Field(description="The claims about a user.")]
    response_types_supported: Annotated[Names, Field(description="Codes only.")]
    response_modes_supported: Annotated[
        Names, Field(description="How answers go back to the program.")
    ]
    grant_types_supported: Annotated[
        Names, Field(description="What programs can trade for tokens.")
    ]
    code_challenge_methods_supported: Annotated[Names, Field(description="PKCE by SHA-256.")]
    subject_types_supported: Annotated[
        Names, Field(description="All programs see the same user id.")
    ]
    id_token_signing_alg_values_supported: Annotated[
        Names, Field(description="How ID tokens are signed.")
    ]
    prompt_values_supported: Annotated[Names, Field(description="The values of `prompt`.")]
    token_endpoint_auth_methods_supported: Annotated[
        Names, Field(description="How programs authenticate to get tokens.")
    ]
    revocation_endpoint_auth_methods_supported: Annotated[
        Names, Field(description="How programs authenticate to revoke tokens.")
    ]
    introspection_endpoint_auth_methods_supported: Annotated[
        Names, Field(description="How programs authenticate to check tokens.")
    ]
    authorization_response_iss_parameter_supported: Annotated[
        bool, Field(description="Answers name the issuer (RFC 9207).")
    ]
    claims_parameter_supported: Annotated[bool, Field(description="`claims` is ignored.")]
    request_parameter_supported: Annotated[bool, Field(description="`request` is refused.")]
    request_uri_parameter_supported: Annotated[bool, Field(description="`request_uri` is refused.")]


class ResourceMetadata(TypedDict):
    """Where programs get tokens for this API, and how they send them."""

    resource: Annotated[Uri, Field(description="The address of this API.")]
    resource_name: Annotated[str, Field(description="Its name.", examples=["Parley"])]
    authorization_servers: Annotated[list[Uri], Field(description="Who issues tokens for it.")]
    scopes_supported: Annotated[Names, Field(description="The scopes.")]
    bearer_methods_supported: Annotated[Names, Field(description="Where an access token is sent.")]


def server_metadata(issuer: str) -> ServerMetadata:
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


def resource_metadata(issuer: str) -> ResourceMetadata:
    """The document of RFC 9728, section 2. The API and the provider have the same address, so they
    have the same identifier."""
    return {
        "resource": issuer,
        "resource_name": "Parley",
        "authorization_servers": [issuer],
        "scopes_supported": [*USER_SCOPES, *sorted(SERVICE_SCOPES)],
        "bearer_methods_supported": ["header"],
    }
