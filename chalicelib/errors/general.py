"""Errors of every route and action, and those of the gateway in front of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chalicelib.errors.base import AppError
from chalicelib.text.sentences import wait

NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class BadRequest(AppError):
    """The body or the frame is not JSON in UTF-8: for example, it is empty or incomplete. The
    gateway sends the same error if it cannot read a request at all.

    Correct the program that sent it. Sending the same again does not help.
    """

    code, status, message = "bad_request", 400, "The request is not valid JSON."


class UnknownAction(AppError):
    """A frame on a socket names an action that does not exist.

    Look the name up in the reference of the socket. The socket stays open.
    """

    code, status, message = "unknown_action", 400, "There is no such action."


class Unauthorized(AppError):
    """The request has no access token, or the token has ended: after 15 minutes, or because its
    session was signed out, revoked or suspended.

    Get a new access token with your refresh token, by `POST /v1/auth/refresh`, and send the request
    again. If that is refused as well, have the user sign in.
    """

    code, status, message = (
        "unauthorized",
        401,
        "Sign in: the access token is missing or not valid.",
    )


class Forbidden(AppError):
    """You are signed in, but may not do this: it needs a scope that your token does not have, or a
    role that you do not have. The gateway sends the same error if its firewall stops a request.

    Ask for the scope that `WWW-Authenticate` names, or have an admin give you the role. A new role
    counts from the next sign-in or refresh on.
    """

    code, status, message = "forbidden", 403, "You may not do this."


class ScopeMissing(Forbidden):
    """For a valid token without the scope that is needed. `scope`: the one that it lacks, if it
    lacks only one."""

    def __init__(self, scope: str = "", message: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class NotFound(AppError):
    """What the path or the request names does not exist, or is not yours to see.

    Check the id. Unknown ids count against a rate limit.
    """

    code, status, message = "not_found", 404, "There is nothing here."


class TooLarge(AppError):
    """The body is over 64 KB or the frame over 32 KB. The gateway sends the same error for bodies
    over 10 MB.

    Send less: a shorter text, or fewer items in one request.
    """

    code, status, message = "too_large", 413, "The request is too large."


class UnsupportedMediaType(AppError):
    """The body is not sent as the route needs it: as JSON, or at the OAuth endpoints as a form.

    Set `Content-Type: application/json`, without a charset other than UTF-8. The OAuth endpoints
    want `application/x-www-form-urlencoded`.
    """

    code, status, message = "unsupported_media_type", 415, "Send the body as application/json."


class ValidationFailed(AppError):
    """The request is valid JSON, but a field is missing, unknown, or has a value that is not
    allowed. Nothing of it was done.

    Show each message at its field. Correct all of them, and send the request again.

    `errors`: what is wrong, one entry for each field. `field` is its path, such as `content.text`,
    `kind` a stable name of what is wrong, such as `too_long`, and `message` a sentence for people.
    """

    code, status, message = "validation_failed", 422, "Some fields are not valid."

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors=errors)


# `fields`: the headers with what is left of each bucket.
class RateLimited(AppError):
    """You sent more than a rate limit allows: for your user, your session, your address, or what
    the request is about. `RateLimit-Policy` names the limit.

    Wait for `retry_after` seconds, then send the request again. On a socket, stop sending until
    then: a socket that goes on is closed.

    `retry_after`: how long to wait, in whole seconds. The header `Retry-After` says the same.
    """

    code, status, message = "rate_limited", 429, "Too many requests. Wait, then try again."

    def __init__(self, retry_after: int, fields: Mapping[str, str] = NO_FIELDS) -> None:
        seconds = max(1, retry_after)
        super().__init__(f"Too many requests. Try again in {wait(seconds)}.", retry_after=seconds)
        self.fields = fields


class Unavailable(AppError):
    """A server behind the API did not answer in time. With status 504, the whole function did not
    answer in time: the request may still have been carried out.

    Wait for `retry_after` seconds, then send the same request again. If it has a `client_id`,
    repeating it is safe.

    `retry_after`: how long to wait, in whole seconds. The header `Retry-After` says the same.
    """

    code, status, message = "unavailable", 503, "The service cannot answer now. Try again."

    def __init__(self, dependency: str, retry_after: int = 2) -> None:
        super().__init__(
            f"The service cannot answer now. Try again in {wait(retry_after)}.",
            retry_after=retry_after,
        )
        self.dependency = dependency


class UnknownRoute(AppError):
    """The gateway knows no such path, or the path does not take this method.

    Check the method and the path, with `/v1` and without a slash at the end. On AWS the address of
    the API ends in `/api`, unless it has a domain name of its own.
    """

    code, status, message = (
        "unknown_route",
        403,
        "There is no such path, or it does not take this method.",
    )


class UnknownHost(AppError):
    """Only on a developer's machine: the request's `Host` is a name that the local cloud does not
    serve, so that no page of another site can reach it.

    Use `127.0.0.1` or `localhost`, or start the local cloud with `--allow-host` and the name.
    """

    code, status, message = (
        "unknown_host",
        421,
        "This name is not served here. Allow it with --allow-host.",
    )
