"""Typed REST views: `endpoint` authenticates, validates, calls the view, maps errors."""

import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, get_type_hints

from chalice import Blueprint, Response
from pydantic import TypeAdapter
from pydantic_core import to_json

from chalicelib.config import Settings, public_address
from chalicelib.deps import deps
from chalicelib.edge import headers
from chalicelib.edge.invocation import invocation
from chalicelib.edge.requests import (
    body_of,
    brings_token,
    client_of,
    path_value,
    query_of,
    sent_by,
)
from chalicelib.errors import (
    AppError,
    RateLimited,
    ScopeMissing,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    link,
)
from chalicelib.ids import new_id
from chalicelib.limits.table import TABLE, Quota, Use, fields_of

log = logging.getLogger(__name__)

T = TypeVar("T")

Readers = Literal["settings", "programs", "everybody"]
"""Pages of which origins may read an answer: those of the setting CORS_ORIGINS; those and the pages
of public OAuth clients; all. No page sends cookies."""


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A view's answer where the status depends on what happened."""

    body: T
    status: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A view's answer whose form a protocol or a browser prescribes: a page, a redirect, or an
    object with headers of its own."""

    status: int = 200
    body: str | dict[str, Any] = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A route as declared; the OpenAPI document is made from these."""

    method: str
    path: str
    tag: str
    scope: str | None
    limit: str
    statuses: tuple[int, ...]
    errors: tuple[type[AppError], ...]
    page: bool
    told: Callable[[AppError], dict[str, str]] | None
    readers: Readers
    view: Callable[..., Any]
    hints: dict[str, Any] = field(repr=False)

    @property
    def path_parameters(self) -> list[str]:
        return [name for name in self.hints if f"{{{name}}}" in self.path]

    @property
    def open(self) -> bool:
        """Whether it answers everybody alike, and so HEAD as well (RFC 9110, section 9.3.2)."""
        return self.method == "GET" and self.limit == "open"


ENDPOINTS: list[Endpoint] = []


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
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a view for "METHOD /path/{parameter}".

    The view's annotations say what it gets: path parameters by name (validated, else 404),
    `identity: Identity` or `program: Program` (needs `scope`, else 401 or 403), `body: Model`
    (JSON), `query: Model`, `sent: Sent` (a form; of a view with a scope, it may hold the access
    token), `client: Client`. What it returns is answered as JSON with `status`; `None` as 204; a
    `Reply` or an `Answer` with the status it names, one of `status`. For the OpenAPI document, a
    `Sent` is annotated by `Takes`, and an `Answer` by the type of its body.

    `page` is given for routes that answer with HTML: it makes the page that shows an error, and no
    script of another origin may call such a route. `told` adds members that a protocol wants in its
    errors, which are then application/json. A `public` answer may be cached for PUBLIC_SECONDS.
    `readers` are "settings" unless said otherwise; a GET of the class "open" is for "everybody".

    `tag` says what the route is about, in one of the words of chalicelib/edge/openapi/tags.py. The
    docstring is what clients read: its first line is a summary, the rest a description.

    `errors` are those that the service raises. Those of every route of its kind are added. `limit`
    is a class of chalicelib/limits/table.py; without one it is "default", "program" or, without a
    scope, "anonymous". Its target is the chat of the path.
    """
    method, path = route.split(" ")
    statuses = status if isinstance(status, tuple) else (status,)

    def register(view: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(view, include_extras=True)
        limited = limit or _class(scope, hints)
        if limited not in TABLE:
            raise TypeError(f"{route}: there is no class of limits called {limited}")
        declared = Endpoint(
            method=method,
            path=path,
            tag=tag,
            scope=scope,
            limit=limited,
            statuses=statuses,
            errors=errors,
            page=page is not None,
            told=told,
            readers=readers or "settings",
            view=view,
            hints=hints,
        )
        if declared.open and readers is None:
            declared = replace(declared, readers="everybody")
        if ("identity" in hints or "program" in hints) != (scope is not None):
            raise TypeError(f"{route}: a view takes a caller if, and only if, it has a scope")
        ENDPOINTS.append(declared)
        adapters = {name: TypeAdapter(hints[name]) for name in declared.path_parameters}

        @functools.wraps(view)
        def wrapped(**parameters: str) -> Response:
            request = bp.current_request
            request_id = request.context.get("requestId") or new_id()
            with invocation(request.lambda_context, request_id):
                return answered(request, request_id, parameters)

        def answered(request: Any, request_id: str, parameters: dict[str, str]) -> Response:
            quotas: Sequence[Quota] = ()
            authorization = request.headers.get("authorization", "")
            try:
                arguments: dict[str, Any] = {}
                unread: UnsupportedMediaType | None = None
                if scope is not None and "sent" in hints:
                    try:
                        arguments["sent"] = sent_by(request)
                        authorization = arguments["sent"].token
                    except UnsupportedMediaType as error:  # the header may hold a token
                        unread = error
                use = _use(request, limited, parameters)
                if scope is not None:
                    caller, quotas = _admit(authorization, use, by_program="program" in hints)
                    if scope not in caller.scopes:
                        raise ScopeMissing(scope)
                    arguments["program" if "program" in hints else "identity"] = caller
                    if unread is not None:
                        raise unread
                elif TABLE[limited].address and not TABLE[limited].inside:
                    quotas = deps.throttle.anonymous(use)
                for name, adapter in adapters.items():
                    arguments[name] = path_value(adapter, parameters[name])
                if "query" in hints:
                    arguments["query"] = query_of(hints["query"], request)
                if "body" in hints:
                    arguments["body"] = body_of(hints["body"], request)
                if "sent" in hints and scope is None:
                    arguments["sent"] = sent_by(request)
                if "client" in hints:
                    arguments["client"] = client_of(request)
                response = _answer(view(**arguments), statuses[0], request_id)
                if public:
                    kept = f"public, max-age={headers.PUBLIC_SECONDS}"
                    response.headers["Cache-Control"] = kept
            except AppError as error:
                response = refused(error, authorization, request_id)
                if isinstance(error, RateLimited):
                    quotas = ()
                    response.headers.update(error.fields)
            except Exception:
                log.exception("request failed", extra={"route": route})
                response = refused(AppError(), authorization, request_id)
            response.headers.update(fields_of(quotas))
            if page is None:
                origin = request.headers.get("origin", "")
                # If settings cannot be read, no origin of theirs is known.
                settings = vars(deps).get("settings")
                with suppress(AppError):  # without them a browser keeps the answer to itself
                    allowed = _origins(declared.readers, settings, origin)
                    response.headers.update(headers.cors(allowed, origin))
            return response

        def refused(error: AppError, authorization: str, request_id: str) -> Response:
            response = problem(error, request_id, told(error) if told else {})
            if isinstance(error, ScopeMissing):
                challenge = headers.bearer(_issuer(), "insufficient_scope", error.scope)
                response.headers["WWW-Authenticate"] = challenge
            elif scope is not None and type(error) is Unauthorized and brings_token(authorization):
                response.headers["WWW-Authenticate"] = headers.bearer(_issuer(), "invalid_token")
            if told is not None:
                response.headers["Content-Type"] = "application/json"
            if page is not None:
                shown = page(str(error))
                response.body = shown.body
                response.headers.update(shown.headers)
            return response

        # Chalice calls views by the names in the path, and would look at the view's own signature.
        wrapped.__signature__ = _by_name(adapters)  # type: ignore[attr-defined]
        methods = ["GET", "HEAD"] if declared.open else [method]
        bp.route(path, methods=methods, content_types=[], name=view.__name__)(wrapped)
        return view

    return register


def preflights() -> Blueprint:
    """What a browser asks before a page of another origin may call: a route for each path."""
    bp = Blueprint(__name__)
    paths: dict[str, dict[str, Readers]] = {}
    for one in ENDPOINTS:
        if not one.page:
            readers = paths.setdefault(one.path, {})
            readers[one.method] = one.readers
            if one.open:
                readers["HEAD"] = one.readers
    for number, (path, by_method) in enumerate(paths.items()):
        view = _preflight(bp, by_method)
        view.__signature__ = _by_name(re.findall(r"{(\w+)}", path))  # type: ignore[attr-defined]
        bp.route(path, methods=["OPTIONS"], content_types=[], name=f"preflight_{number}")(view)
    return bp


def _preflight(bp: Blueprint, by_method: Mapping[str, Readers]) -> Callable[..., Response]:
    """A browser asks for one method; the answer names all that the same pages may call."""

    def view(**_: str) -> Response:
        request = bp.current_request
        request_id = request.context.get("requestId") or new_id()
        with invocation(request.lambda_context, request_id):
            try:
                origin = request.headers.get("origin", "")
                asked = request.headers.get("access-control-request-method", "")
                readers = by_method.get(asked, "settings")
                methods = [name for name, whose in by_method.items() if whose == readers]
                allowed = headers.preflight(
                    _origins(readers, deps.settings, origin), origin, methods
                )
                return Response("", status_code=204, headers={**_headers(request_id), **allowed})
            except AppError as error:
                return problem(error, request_id)

    return view


def _origins(readers: Readers, settings: Settings | None, origin: str) -> Sequence[str]:
    """The origins that may read an answer; of all programs' pages only the one that asks."""
    if readers == "everybody":
        return ["*"]
    if settings is None:
        return []
    known = not origin or "*" in settings.origins or origin in settings.origins
    if readers == "programs" and not known and deps.program_origins.know(origin):
        return [origin]
    return settings.origins


def _by_name(parameters: Iterable[str]) -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(name, kind) for name in parameters])


def problem(error: AppError, request_id: str, more: Mapping[str, str] | None = None) -> Response:
    """An error as application/problem+json (RFC 9457), with our `code`."""
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"dependency": error.dependency})
    sent = {**_headers(request_id), "Content-Type": "application/problem+json"}
    if error.status == 401:
        sent["WWW-Authenticate"] = headers.bearer(_issuer())
    if "retry_after" in error.details:
        sent["Retry-After"] = str(error.details["retry_after"])
    document = {
        "type": link(error.code, _issuer()),
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        **error.details,
        **(more or {}),
        "request_id": request_id,
    }
    return Response(to_json(document).decode(), status_code=error.status, headers=sent)


def _headers(request_id: str) -> dict[str, str | list[str]]:
    return {
        **headers.common(_issuer()),
        "Content-Type": "application/json",
        "x-request-id": request_id,
    }


def _issuer() -> str:
    """From the environment alone where the settings are not read yet, or cannot be. Empty if it is
    not there either: the answer goes without what depends on it."""
    settings = vars(deps).get("settings")
    return settings.issuer if settings else public_address()


def _answer(result: Any, status: int, request_id: str) -> Response:
    if isinstance(result, Answer):
        body = result.body if isinstance(result.body, str) else to_json(result.body).decode()
        sent = {**_headers(request_id), **result.headers}
        if result.cookies:
            sent["Set-Cookie"] = list(result.cookies)
        return Response(body, status_code=result.status, headers=sent)
    if isinstance(result, Reply):
        result, status = result.body, result.status
    if result is None:
        return Response("", status_code=204, headers=_headers(request_id))
    return Response(to_json(result).decode(), status_code=status, headers=_headers(request_id))


def _class(scope: str | None, hints: dict[str, Any]) -> str:
    if scope is None:
        return "anonymous"
    return "program" if "program" in hints else "default"


def _use(request: Any, limit: str, parameters: dict[str, str]) -> Use:
    target = parameters.get("chat_id", "").lower()
    return Use(limit=limit, address=client_of(request).address, target=target)


def _admit(authorization: str, use: Use, *, by_program: bool) -> tuple[Any, Sequence[Quota]]:
    return (deps.programs if by_program else deps.auth).admit(authorization, use)
