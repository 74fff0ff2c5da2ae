"""The base of every error a client can see, and where each is explained."""

from collections.abc import Mapping
from typing import Any, ClassVar

PATH = "/v1/errors"


# Raise a subclass, never this class: it means an unexpected error.
class AppError(Exception):
    """An unexpected error. With status 502, the function stopped before it answered, or its answer
    was too large.

    Try again later: the same request may work. If it fails again, give the `request_id` to the
    people who run this server. Their log has the cause.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side. Try again later."

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or self.message)
        self.details = details

    def to_wire(self) -> dict[str, Any]:
        """The error in an answer on a socket: {code, message, ...details}."""
        return {"code": self.code, "message": str(self), **self.details}


def document(
    code: str, status: int, detail: str, members: Mapping[str, Any], request_id: str, issuer: str
) -> dict[str, Any]:
    """The body of a problem (RFC 9457). `members`: those that only some errors have."""
    return {
        "type": link(code, issuer),
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        **members,
        "request_id": request_id,
    }


def link(code: str, issuer: str) -> str:
    """The `type` of a problem: the address of the page that explains it (RFC 9457, section 3.1.1).
    "about:blank" without an issuer: then there is no such page."""
    return f"{issuer}{PATH}#{code}" if issuer else "about:blank"
