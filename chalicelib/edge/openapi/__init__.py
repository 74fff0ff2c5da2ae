"""The OpenAPI 3.1 document, made from the routes and models as they are declared."""

from typing import Any

from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.openapi.operations import Operations, head_of, used_by
from chalicelib.edge.openapi.problems import MODELS, FieldError, Problem
from chalicelib.edge.openapi.schemas import Mode, schemas_of
from chalicelib.edge.openapi.tags import TAGS

__all__ = ["FieldError", "Problem", "document"]

_ABOUT = """\
A messaging backend. Live events come over the socket; open it with a ticket of
`POST /v1/socket-tickets`.

Times are in UTC, ids are UUIDs in lower case. An error is a problem (RFC 9457): decide by its
`code`. Besides what is documented here, the gateway answers with problems of its own: 403
`unknown_route` to unknown paths and methods, 413 to bodies over 10 MB, 504 where no function
answers in time.

`x-scope` names the scope that an access token needs, `x-rate-limit` the limits that hold.
"""


def document(server: str) -> dict[str, Any]:
    """The API under `server`, its base URL."""
    problems: list[tuple[Any, Mode]] = [(model, "serialization") for model in MODELS]
    used = [each for one in ENDPOINTS for each in used_by(one)]
    references, shared = schemas_of([*problems, *used])
    operations = Operations(references, shared)
    paths: dict[str, dict[str, Any]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = operations.operation(one)
        if one.open:
            paths[one.path]["head"] = head_of(paths[one.path]["get"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": "1", "description": _ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": shared,
            "examples": operations.examples,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of a session, or of a program.",
                },
                "program": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The id and the secret of a confidential program.",
                },
            },
        },
    }
