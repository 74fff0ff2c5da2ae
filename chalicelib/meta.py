"""What the service says of itself: alive, ready, its OpenAPI document, and its errors."""

import functools
import time
from collections.abc import Callable
from html import escape
from typing import Any, Literal, TypeVar

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.errors import base, page
from chalicelib.readiness import Readiness, readiness
from chalicelib.rest import Answer, Reply, endpoint
from chalicelib.wire import Model

bp = Blueprint(__name__)

LOOK_SECONDS = 1.0
"""How long checks are cached, since anyone may ask often whether we are ready."""

T = TypeVar("T")


def kept(seconds: float) -> Callable[[Callable[[], T]], Callable[[], T]]:
    """Have a function give its last answer again for so many seconds."""

    def keep(ask: Callable[[], T]) -> Callable[[], T]:
        last: tuple[float, T] | None = None

        @functools.wraps(ask)
        def answer() -> T:
            nonlocal last
            if last is None or not 0 <= time.time() - last[0] < seconds:
                found = ask()
                last = time.time(), found
            return last[1]

        return answer

    return keep


class Health(Model):
    status: Literal["ok"] = "ok"


@endpoint(bp, "GET /v1/health", limit="open")
def health() -> Health:
    """Alive: this answers without asking any other server."""
    return Health()


@endpoint(bp, "GET /v1/ready", limit="open", status=(200, 503))
@kept(LOOK_SECONDS)
def ready() -> Reply[Readiness]:
    """Whether each server behind us answered within the last second: 200 if all did, else 503."""
    found = readiness()
    return Reply(found, 200 if found.status == "ok" else 503)


@endpoint(bp, "GET /v1/openapi.json", limit="open")
@functools.cache
def openapi() -> dict[str, Any]:
    """This API as an OpenAPI 3.1 document."""
    from chalicelib.openapi import document

    return document(deps.settings.issuer)


def _trouble(problem: str) -> Answer:
    return Answer(body=page.frame("Errors", f"<p>{escape(problem)}</p>"), headers=page.HEADERS)


@endpoint(bp, f"GET {base.PATH}", limit="open", page=_trouble, public=True)
def errors() -> Answer:
    """A page that explains each error; the `type` of a problem leads to its entry."""
    return Answer(body=page.page(), headers=page.HEADERS)
