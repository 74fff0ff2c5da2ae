"""What the service says of itself: alive, ready, and its OpenAPI document."""

from typing import Any, Literal

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.readiness import Readiness, readiness
from chalicelib.rest import Reply, endpoint
from chalicelib.wire import Model

bp = Blueprint(__name__)


class Health(Model):
    status: Literal["ok"] = "ok"


@endpoint(bp, "GET /v1/health")
def health() -> Health:
    """Alive: this answers without asking any other server."""
    return Health()


@endpoint(bp, "GET /v1/ready", status=(200, 503))
def ready() -> Reply[Readiness]:
    """Whether each server behind us answers: 200 if all do, else 503."""
    found = readiness()
    return Reply(found, 200 if found.status == "ok" else 503)


@endpoint(bp, "GET /v1/openapi.json")
def openapi() -> dict[str, Any]:
    """This API as an OpenAPI 3.1 document."""
    from chalicelib.openapi import document

    return document(deps.settings.issuer)
