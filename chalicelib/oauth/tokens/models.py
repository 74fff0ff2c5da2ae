"""What Authlib reads and answers: requests, clients, approvals and outcomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from chalicelib.identity import Identity
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.scopes import SERVICE_SCOPES

SECRET = ["client_secret_basic", "client_secret_post"]
ANY = [*SECRET, "none"]
"""How a client authenticates (RFC 7591, section 2). A public client only sends its id."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the protocol answers."""

    status: int
    body: dict[str, Any] | str
    headers: dict[str, str] = field(repr=False)

    @property
    def error(self) -> str | None:
        return self.body.get("error") if isinstance(self.body, dict) else None


class ProtocolRequest(OAuth2Request):
    """A request for Authlib, with each parameter once."""

    def __init__(
        self, method: str, uri: str, given: Mapping[str, str], authorization: str = ""
    ) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(dict(given))

    @property
    def form(self) -> dict[str, str]:
        given: dict[str, str] = self.payload.data
        return given


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A user's consent: the session that they gave it in, and when they signed in to it, in seconds
    since 1970."""

    identity: Identity
    auth_time: int


class ProtocolClient(ClientMixin):
    """A registered program for Authlib. `proven` is called when it shows its secret."""

    def __init__(self, client: OAuthClient, proven: Callable[[OAuthClient], None]) -> None:
        self.client, self._proven = client, proven

    def get_client_id(self) -> str:
        return self.client.id

    def get_default_redirect_uri(self) -> None:
        """None: each request must name its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes to ask a user for. None if there are none; Authlib then answers
        `invalid_scope`."""
        return " ".join(self.client.allowed(scope or "")) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return self.client.may_return_to(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        if not (self.client.confidential and self.client.knows(client_secret)):
            return False
        self._proven(self.client)
        return True

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") != self.client.confidential

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and bool(self.client.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == "client_credentials":
            return self.client.confidential and bool(
                SERVICE_SCOPES.intersection(self.client.scopes)
            )
        return bool(self.client.redirect_uris)
