"""What we add to Chalice's definition of the REST API: how bodies reach the function, and the
answers of the gateway itself. The local gateway does the same."""

import json
from typing import Any, NamedTuple

from chalicelib.edge import headers
from chalicelib.errors import (
    AppError,
    BadRequest,
    Forbidden,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownRoute,
    UnsupportedMediaType,
    document,
)

BINARY_TYPES = ["*/*"]
"""Bodies that reach the function as base64. API Gateway puts U+FFFD in place of what is not UTF-8
in all others, so that the function could not tell one such body from another."""


class Refusal(NamedTuple):
    """An error of the gateway's own: a problem (RFC 9457) as the functions answer them."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None

    def document(self, request_id: str, issuer: str) -> dict[str, Any]:
        """The body."""
        wait = {} if self.retry_after is None else {"retry_after": self.retry_after}
        return document(self.code, self.status, self.detail, wait, request_id, issuer)

    def headers(self, request_id: str, issuer: str) -> dict[str, str]:
        """The headers. Every origin may read them: they hold nothing of anybody's."""
        return {
            **headers.of_problem(self.status, self.retry_after, issuer),
            **headers.cors(["*"], ""),
            "x-request-id": request_id,
        }


def _as(error: type[AppError], status: int = 0, detail: str = "", **more: int) -> Refusal:
    return Refusal(status or error.status, error.code, detail or error.message, **more)


UNREADABLE = _as(
    BadRequest,
    detail="The gateway refuses this request. Check its path, its method and its headers.",
)
UNKNOWN_ROUTE = _as(UnknownRoute)
REFUSED = _as(Forbidden, detail="The gateway refuses this request.")
TOO_LARGE = _as(TooLarge)
TOO_MANY = _as(RateLimited, detail=str(RateLimited(1)), retry_after=1)
BROKEN = _as(AppError)
FAILED = _as(AppError, 502)
LATE = _as(
    Unavailable, 504, "No function answered in time. Check whether it was done.", retry_after=2
)

RESPONSES = {
    "ACCESS_DENIED": REFUSED,
    "API_CONFIGURATION_ERROR": BROKEN,
    "AUTHORIZER_CONFIGURATION_ERROR": BROKEN,
    "AUTHORIZER_FAILURE": BROKEN,
    "BAD_REQUEST_BODY": UNREADABLE,
    "BAD_REQUEST_PARAMETERS": UNREADABLE,
    "DEFAULT_4XX": UNREADABLE,
    "DEFAULT_5XX": FAILED,
    "EXPIRED_TOKEN": REFUSED,
    "INTEGRATION_FAILURE": LATE,
    "INTEGRATION_TIMEOUT": LATE,
    "INVALID_API_KEY": REFUSED,
    # AWS reads our bearer token as a signature of its own where there is no route.
    "INVALID_SIGNATURE": UNKNOWN_ROUTE,
    "MISSING_AUTHENTICATION_TOKEN": UNKNOWN_ROUTE,
    "QUOTA_EXCEEDED": TOO_MANY,
    "REQUEST_TOO_LARGE": TOO_LARGE,
    "RESOURCE_NOT_FOUND": _as(NotFound),
    "THROTTLED": TOO_MANY,
    "UNAUTHORIZED": _as(Unauthorized),
    "UNSUPPORTED_MEDIA_TYPE": _as(UnsupportedMediaType),
    "WAF_FILTERED": REFUSED,
}
"""All types of answers that API Gateway makes itself."""


def definition(issuer: str) -> dict[str, Any]:
    """The members of an OpenAPI document by which API Gateway does this."""
    return {
        "x-amazon-apigateway-binary-media-types": BINARY_TYPES,
        "x-amazon-apigateway-gateway-responses": {
            name: _response(refusal, issuer) for name, refusal in RESPONSES.items()
        },
    }


def patch_chalice(issuer: str) -> None:
    """Have Chalice define the API like this, for the rest of this process. Without an issuer, the
    gateway's own problems lead to no page."""
    from chalice.deploy.swagger import SwaggerGenerator

    stock = SwaggerGenerator.generate_swagger

    def generate_swagger(self: SwaggerGenerator, *given: Any, **named: Any) -> dict[str, Any]:
        return {**stock(self, *given, **named), **definition(issuer)}

    setattr(SwaggerGenerator, "generate_swagger", generate_swagger)  # noqa: B010


def _response(refusal: Refusal, issuer: str) -> dict[str, Any]:
    """A text in quotes is sent as it is, and cannot hold quotes itself, as the content policy does;
    `context` is what API Gateway knows of the request."""
    told = {**refusal.headers("", ""), **headers.common("https://")}.items()
    parameters = {
        f"gatewayresponse.header.{name}": f"'{value}'" for name, value in told if "'" not in value
    }
    parameters["gatewayresponse.header.x-request-id"] = "context.requestId"
    body = json.dumps(refusal.document("$context.requestId", issuer))
    return {
        "statusCode": str(refusal.status),
        "responseParameters": parameters,
        "responseTemplates": {"application/json": body},
    }
