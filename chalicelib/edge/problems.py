"""Error answers, and the headers of every answer."""

import logging
from collections.abc import Mapping

from chalice import Response
from pydantic_core import to_json

from chalicelib.config import public_address
from chalicelib.deps import deps
from chalicelib.edge import headers
from chalicelib.errors import AppError, Unavailable, document

log = logging.getLogger(__name__)


def problem(error: AppError, request_id: str, more: Mapping[str, str] | None = None) -> Response:
    """An error as application/problem+json (RFC 9457), with our `code`. `more`: further members."""
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"dependency": error.dependency})
    members = {**error.details, **(more or {})}
    body = document(error.code, error.status, str(error), members, request_id, issuer())
    sent: dict[str, str | list[str]] = {
        **headers.of_problem(error.status, error.details.get("retry_after"), issuer()),
        "x-request-id": request_id,
    }
    return Response(to_json(body).decode(), status_code=error.status, headers=sent)


def usual_headers(request_id: str) -> dict[str, str | list[str]]:
    """The headers of an answer in JSON."""
    return {
        **headers.common(issuer()),
        "Content-Type": "application/json",
        "x-request-id": request_id,
    }


def issuer() -> str:
    """The address of the API, from the settings, or from the environment if they are not read yet
    or cannot be read. Empty if it is not there either: then the answer leaves out what depends on
    it."""
    settings = vars(deps).get("settings")
    return settings.issuer if settings else public_address()
