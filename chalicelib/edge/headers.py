"""Headers of every answer: security headers for browsers, caching, and CORS."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

PRIVATE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""For answers with a user's data. Pages have their own policy."""

PUBLIC_SECONDS = 60 * 60
"""How long caches may keep answers that are the same for all callers, such as our public keys."""

TWO_YEARS = 60 * 60 * 24 * 730
PREFLIGHT_SECONDS = 7200
_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
_SENT = "Authorization, Content-Type"


REALM = "parley"
BASIC = f'Basic realm="{REALM}"'
"""Asks an OAuth client for its credentials (RFC 7617, section 2)."""


RESOURCE_METADATA = "/.well-known/oauth-protected-resource"
"""The path of the metadata that says where to get tokens for the API (RFC 9728)."""


def bearer(issuer: str, error: str = "", scope: str = "") -> str:
    """Asks for an access token (RFC 6750, section 3). `error`: what is wrong with the one that was
    sent. `scope`: the one that it lacks. `issuer`: empty if settings cannot be read; otherwise the
    challenge says where to get tokens (RFC 9728, section 5.1).

    The metadata is below the issuer. If the issuer has a path, as API Gateway's own addresses have,
    RFC 9728, section 3.1, wants another place, which the API cannot serve (docs/decisions/0040).
    Then programs find the metadata by this header only.
    """
    metadata = issuer and issuer + RESOURCE_METADATA
    said = {"realm": REALM, "error": error, "scope": scope, "resource_metadata": metadata}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in said.items() if value)


def common(issuer: str) -> dict[str, str]:
    """The headers of PRIVATE. With HTTPS, browsers must use HTTPS from then on (RFC 6797)."""
    if not issuer.startswith("https://"):
        return PRIVATE
    return {**PRIVATE, "Strict-Transport-Security": f"max-age={TWO_YEARS}"}


def of_problem(status: int, retry_after: int | None, issuer: str) -> dict[str, str]:
    """The headers of an error. `retry_after` is in seconds."""
    told = {**common(issuer), "Content-Type": "application/problem+json"}
    if status == HTTPStatus.UNAUTHORIZED:
        told["WWW-Authenticate"] = bearer(issuer)
    if retry_after is not None:
        told["Retry-After"] = str(retry_after)
    return told


def cors(origins: Sequence[str], origin: str) -> dict[str, str]:
    """Lets a page of an allowed origin read an answer. Never with credentials: only the bearer
    token identifies the caller, never a cookie."""
    if "*" in origins:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
    vary = {"Vary": "Origin"}
    if origin not in origins:
        return vary
    return {
        **vary,
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
    }


def preflight(origins: Sequence[str], origin: str, methods: Iterable[str]) -> dict[str, str]:
    """The headers that answer a preflight request."""
    allowed = cors(origins, origin)
    if "Access-Control-Allow-Origin" not in allowed:
        return allowed
    return {
        **allowed,
        "Access-Control-Allow-Headers": _SENT,
        "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
