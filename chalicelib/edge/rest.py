"""REST views: `endpoint` registers a view, and `Call` handles each request to it."""

import functools
from collections.abc import Callable
from typing import Any, get_type_hints

from chalice import Blueprint, Response

from chalicelib.edge import endpoints
from chalicelib.edge.call import Call
from chalicelib.edge.endpoints import Answer as Answer
from chalicelib.edge.endpoints import Endpoint, Readers
from chalicelib.edge.endpoints import Reply as Reply
from chalicelib.edge.invocation import invocation
from chalicelib.errors import AppError
from chalicelib.ids import new_id

View = Callable[..., Any]


def endpoint(
    bp: Blueprint,
    route: str,
    *,
    tag: str = "",
    scope: str | None = None,
    limit: str | None = None,
    status: int | tuple[int, ...] = 200,
    errors: tuple[type[AppError], ...] = (),
    page: Callable[[str], Answer] | None = None,
    told: Callable[[AppError], dict[str, str]] | None = None,
    public: bool = False,
    readers: Readers | None = None,
) -> Callable[[View], View]:
    """Register a view for "METHOD /path/{parameter}". `Endpoint` says what the options mean.

    The view's annotations say what it gets: path parameters by name (validated, else 404),
    `identity: Identity` or `program: Program` (needs `scope`, else 401 or 403), `body: Model`
    (JSON), `query: Model`, `sent: Sent` (a form; of a view with a scope, it may hold the access
    token), `source: Source`. Its result is answered as JSON with `status`; `None` as 204; a `Reply`
    or an `Answer` with its own status, which is one of `status`. For the OpenAPI document, `Takes`
    annotates a `Sent`, and the type of its body annotates an `Answer`.

    The docstring of the view is for clients: its first line is a summary, the rest a description.
    `tag`: one of chalicelib/edge/openapi/tags.py.
    """
    method, path = route.split(" ")

    def register(view: View) -> View:
        hints = get_type_hints(view, include_extras=True)
        limited = limit or endpoints.usual_limit(scope, hints)
        one = Endpoint(
            method=method, path=path, view=view, hints=hints, tag=tag, scope=scope, limit=limited,
            statuses=status if isinstance(status, tuple) else (status,), errors=errors, page=page,
            told=told, public=public, readers=readers or endpoints.usual_readers(method, limited),
            adapters=endpoints.adapters_of(path, hints),
        )  # fmt: skip
        endpoints.declare(one)
        _serve(bp, one)
        return view

    return register


def _serve(bp: Blueprint, one: Endpoint) -> None:
    @functools.wraps(one.view)
    def answer(**parameters: str) -> Response:
        request = bp.current_request
        request_id = request.context.get("requestId") or new_id()
        with invocation(request.lambda_context, request_id):
            return Call(one, request, request_id, parameters).answer()

    methods = ["GET", "HEAD"] if one.open else [one.method]
    named = endpoints.by_name(answer, one.path_parameters)
    bp.route(one.path, methods=methods, content_types=[], name=one.view.__name__)(named)
