"""Routes about the service itself: health, readiness, API documents and the errors page."""

import functools
import time
from collections.abc import Callable
from html import escape
from typing import Any, Literal, TypeVar

from chalice import Blueprint
from pydantic import Field

from chalicelib.deps import deps
from chalicelib.edge.readiness import Readiness, readiness
from chalicelib.edge.rest import Answer, Reply, endpoint
from chalicelib.errors import base, page
from chalicelib.wire import Model

bp = Blueprint(__name__)

LOOK_SECONDS = 1.0
"""How long checks are cached, because anyone may call this route often."""

T = TypeVar("T")


def kept(seconds: float) -> Callable[[Callable[[], T]], Callable[[], T]]:
    """Cache the result of a function for this many seconds."""

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
    """The service is alive."""

    status: Literal["ok"] = Field("ok", description="Always `ok`.")


@endpoint(bp, "GET /v1/health", tag="Service", limit="open")
def health() -> Health:
    """Say that the service is alive.

    It answers without asking any other server. Ask `GET /v1/ready` whether those answer.
    """
    return Health()


@endpoint(bp, "GET /v1/ready", tag="Service", limit="open", status=(200, 503))
@kept(LOOK_SECONDS)
def ready() -> Reply[Readiness]:
    """Say whether the servers behind the service answer.

    200 if each answered within the last second, else 503. The result is kept for a second.
    """
    found = readiness()
    return Reply(found, 200 if found.status == "ok" else 503)


@endpoint(bp, "GET /v1/openapi.json", tag="Service", limit="open")
@functools.cache
def openapi() -> dict[str, Any]:
    """Get this description of the API.

    An OpenAPI 3.1 document, made from the code that serves the API.
    """
    from chalicelib.edge.openapi import document

    return document(deps.settings.issuer)


@endpoint(bp, "GET /v1/asyncapi.json", tag="Service", limit="open")
@functools.cache
def asyncapi() -> dict[str, Any]:
    """Get the description of the socket and of events.

    An AsyncAPI 3 document, made from the code that serves them.
    """
    from chalicelib.edge.asyncapi import document

    return document(deps.settings.issuer, deps.settings.ws_url)


def _trouble(problem: str) -> Answer:
    return Answer(body=page.frame("Errors", f"<p>{escape(problem)}</p>"), headers=page.HEADERS)


@endpoint(bp, f"GET {base.PATH}", tag="Service", limit="open", page=_trouble, public=True)
def errors() -> Answer:
    """Show a page that explains each error.

    It says when each happens and what to do. The `type` of a problem leads to its entry.
    """
    return Answer(body=page.page(), headers=page.HEADERS)
