"""The errors of OAuth 2.0 and OpenID Connect that our provider answers with, beside our own."""

from collections.abc import Mapping
from typing import Any

from chalicelib.errors.base import link

OAUTH = {
    "invalid_request": (
        "A parameter is missing, is sent twice, or has a value that is not allowed. "
        "`error_description` says which.",
        "Correct the request. PKCE with `S256` is required of most programs.",
    ),
    "invalid_client": (
        "The program is not registered here, or its secret is wrong.",
        "Check the id and the secret. An admin can give the program a new secret.",
    ),
    "invalid_grant": (
        "The code or the refresh token is wrong, too old, was used before, or belongs to another "
        "program or redirect URI. Or the user has ended the access.",
        "Send the user to the authorization endpoint again.",
    ),
    "unauthorized_client": (
        "The program may not use this grant. A public program has none of its own, for example.",
        "Use the authorization code flow, or have an admin register the program as confidential.",
    ),
    "unsupported_grant_type": (
        "The grant type is none of those in the metadata.",
        "Use `authorization_code`, `refresh_token` or `client_credentials`.",
    ),
    "unsupported_response_type": (
        "The authorization request asks for something else than a code.",
        "Send `response_type=code`.",
    ),
    "unsupported_token_type": (
        "The `token_type_hint` names a kind of token that does not exist here.",
        "Leave the hint out, or send `access_token` or `refresh_token`.",
    ),
    "invalid_scope": (
        "The program is not registered for any of the scopes that it asked for.",
        "Ask for others, or have an admin change the registration.",
    ),
    "invalid_target": (
        "`resource` names another API than this one.",
        "Leave it out, or send the issuer.",
    ),
    "access_denied": (
        "The user did not allow it.",
        "Tell the user what does not work without it. Ask again only when they want to.",
    ),
    "login_required": (
        "The request has `prompt=none`, and nobody is signed in on the provider's page.",
        "Send the user there without `prompt=none`.",
    ),
    "consent_required": (
        "The request has `prompt=none`, and the user has not allowed this yet.",
        "Send the user there without `prompt=none`.",
    ),
    "interaction_required": (
        "The request has `prompt=none`, and a page has to be shown.",
        "Send the user there without `prompt=none`.",
    ),
    "request_not_supported": (
        "The request is packed into a signed object.",
        "Send plain parameters.",
    ),
    "request_uri_not_supported": (
        "The request is kept at another address.",
        "Send plain parameters.",
    ),
    "invalid_token": (
        "The access token at `/oauth2/userinfo` is missing or not valid. The problem's `code` is "
        "`unauthorized`.",
        "Get a new one with the refresh token.",
    ),
    "insufficient_scope": (
        "The access token lacks the scope. The problem's `code` is `forbidden`.",
        "Ask the user for `openid` as well.",
    ),
    "temporarily_unavailable": (
        "A rate limit is reached, or a server did not answer. The problem's `code` says which.",
        "Wait as long as `Retry-After` says, then send the request again.",
    ),
    "server_error": (
        "Something failed in a way that nobody foresaw. The problem's `code` is `internal`.",
        "Try again later. If it fails again, tell the people who run this server the `request_id`.",
    ),
}
"""By `error`: when it happens, and what to do."""


def with_link(answer: Mapping[str, Any], issuer: str) -> dict[str, Any]:
    """An answer to a program; where it is an error, with the address of its entry on the errors
    page (RFC 6749, section 4.1.2.1)."""
    error = answer.get("error")
    return {**answer, "error_uri": link(error, issuer)} if error in OAUTH else dict(answer)
