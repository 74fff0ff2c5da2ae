"""Typed REST views: `endpoint` authenticates, validates, calls the view, maps errors."""

import functools
import inspect
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_type_hints

from chalice import Blueprint, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from chalicelib import headers
from chalicelib.auth.models import Client
from chalicelib.deps import deps
from chalicelib.errors import (
    AppError,
    Forbidden,
    NotFound,
    RateLimited,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.forms import FORM, Sent, cookies, fields
from chalicelib.ids import new_id
from chalicelib.invocation import invocation
from chalicelib.limits import TABLE, Quota, Use, fields_of
from chalicelib.wire import parse, refusal

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024

T = TypeVar("T")


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
    scope: str | None
    limit: str
    statuses: tuple[int, ...]
    errors: tuple[type[AppError], ...]
    page: bool
    told: bool
    view: Callable[..., Any]
    hints: dict[str, Any] = field(repr=False)

    @property
    def path_parameters(self) -> list[str]:
        return [name for name in self.hints if f"{{{name}}}" in self.path]


ENDPOINTS: list[Endpoint] = []


def endpoint(
    bp: Blueprint,
    route: str,
    *,
    scope: str | None = None,
    limit: str | None = None,
    status: int | tuple[int, ...] = 200,
    errors: tuple[type[AppError], ...] = (),
    page: Callable[[str], Answer] | None = None,
    told: Callable[[AppError], dict[str, str]] | None = None,
    public: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a view for "METHOD /path/{parameter}".

    The view's annotations say what it gets: path parameters by name (validated, else 404),
    `identity: Identity` or `program: Program` (needs `scope`, else 401 or 403), `body: Model`
    (JSON), `query: Model`, `sent: Sent` (a form), `client: Client`. What it returns is answered as
    JSON with `status`; `None` as 204; a `Reply` or an `Answer` with the status it names, one of
    `status`. `page` is given for routes that answer with HTML: it makes the page that shows an
    error, and no script of another origin may call such a route. `told` adds members that a
    protocol wants in its errors, which are then application/json. A `public` answer is the same for
    everybody, and may be cached for PUBLIC_SECONDS.

    `errors` are those that the service raises. Those of every route of its kind are added. `limit`
    is a class of chalicelib/limits.py; without one it is "default", "program" or, without a scope,
    "anonymous". Its target is the chat of the path.
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
            scope=scope,
            limit=limited,
            statuses=statuses,
            errors=errors,
            page=page is not None,
            told=told is not None,
            view=view,
            hints=hints,
        )
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
            try:
                arguments: dict[str, Any] = {}
                use = _use(request, limited, parameters)
                if scope is not None:
                    caller, quotas = _admit(request, use, by_program="program" in hints)
                    if scope not in caller.scopes:
                        raise Forbidden()
                    arguments["program" if "program" in hints else "identity"] = caller
                elif TABLE[limited].address and not TABLE[limited].inside:
                    quotas = deps.throttle.anonymous(use)
                for name, adapter in adapters.items():
                    arguments[name] = _path_value(adapter, parameters[name])
                if "query" in hints:
                    arguments["query"] = _query(hints["query"], request.query_params)
                if "body" in hints:
                    arguments["body"] = _body(hints["body"], request)
                if "sent" in hints:
                    arguments["sent"] = _sent(request)
                if "client" in hints:
                    arguments["client"] = _client(request)
                response = _answer(view(**arguments), statuses[0], request_id)
                if public:
                    kept = f"public, max-age={headers.PUBLIC_SECONDS}"
                    response.headers["Cache-Control"] = kept
            except AppError as error:
                response = refused(error, request_id)
                quotas = error.quotas if isinstance(error, RateLimited) else quotas
            except Exception:
                log.exception("request failed", extra={"route": route})
                response = refused(AppError(), request_id)
            response.headers.update(fields_of(quotas))
            if page is None and (settings := vars(deps).get("settings")):
                origin = request.headers.get("origin", "")
                response.headers.update(headers.cors(settings.origins, origin))
            return response

        def refused(error: AppError, request_id: str) -> Response:
            response = problem(error, request_id, told(error) if told else {})
            if told is not None:
                response.headers["Content-Type"] = "application/json"
            if page is not None:
                shown = page(str(error))
                response.body = shown.body
                response.headers.update(shown.headers)
            return response

        # Chalice calls views by the names in the path, and would look at the view's own signature.
        wrapped.__signature__ = _by_name(adapters)  # type: ignore[attr-defined]
        bp.route(path, methods=[method], content_types=[], name=view.__name__)(wrapped)
        return view

    return register


def preflights() -> Blueprint:
    """What a browser asks before a page of another origin may call: a route for each path."""
    bp = Blueprint(__name__)
    methods: dict[str, set[str]] = {}
    for one in ENDPOINTS:
        if not one.page:
            methods.setdefault(one.path, set()).add(one.method)
    for number, (path, allowed) in enumerate(methods.items()):
        view = _preflight(bp, allowed)
        view.__signature__ = _by_name(re.findall(r"{(\w+)}", path))  # type: ignore[attr-defined]
        bp.route(path, methods=["OPTIONS"], content_types=[], name=f"preflight_{number}")(view)
    return bp


def _preflight(bp: Blueprint, methods: Collection[str]) -> Callable[..., Response]:
    def view(**_: str) -> Response:
        request = bp.current_request
        request_id = request.context.get("requestId") or new_id()
        with invocation(request.lambda_context, request_id):
            try:
                origin = request.headers.get("origin", "")
                allowed = headers.preflight(deps.settings.origins, origin, methods)
                return Response("", status_code=204, headers={**_headers(request_id), **allowed})
            except AppError as error:
                return problem(error, request_id)

    return view


def _by_name(parameters: Iterable[str]) -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(name, kind) for name in parameters])


def problem(error: AppError, request_id: str, more: Mapping[str, str] | None = None) -> Response:
    """An error as application/problem+json (RFC 9457), with our `code`."""
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"dependency": error.dependency})
    sent = {**_headers(request_id), "Content-Type": "application/problem+json"}
    if error.status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    if "retry_after" in error.details:
        sent["Retry-After"] = str(error.details["retry_after"])
    document = {
        "type": "about:blank",
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
    # If settings cannot be read, the answer goes without the headers that depend on them.
    settings = vars(deps).get("settings")
    return {
        **headers.common(settings.issuer if settings else ""),
        "Content-Type": "application/json",
        "x-request-id": request_id,
    }


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
    return Use(limit=limit, address=_client(request).address, target=parameters.get("chat_id", ""))


def _admit(request: Any, use: Use, *, by_program: bool) -> tuple[Any, Sequence[Quota]]:
    authorization = request.headers.get("authorization", "")
    return (deps.programs if by_program else deps.auth).admit(authorization, use)


def _path_value(adapter: TypeAdapter[Any], value: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise NotFound() from None


def _query(model: type[BaseModel], parameters: Any) -> BaseModel:
    given = dict(parameters.items()) if parameters else {}
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise refusal(error) from None


def _body(model: type[BaseModel], request: Any) -> BaseModel:
    return parse(model, _raw(request, "application/json"))


def _sent(request: Any) -> Sent:
    given = request.query_params
    return Sent(
        query={name: given.getlist(name) for name in given} if given else {},
        form=fields(_raw(request, FORM)) if request.method == "POST" else {},
        cookies=cookies(request.headers.get("cookie", "")),
        authorization=request.headers.get("authorization", ""),
    )


def _raw(request: Any, kind: str) -> bytes:
    """The body, if its Content-Type is `kind`. A body without one is refused as well: other sites
    can have a browser send it without asking us first (CORS)."""
    content_type = request.headers.get("content-type", "")
    try:
        raw: bytes = request.raw_body
    except ValueError:  # not the base64 it claims to be
        raise ValidationFailed([{"field": "", "message": "The body cannot be read."}]) from None
    if (content_type or raw) and content_type.partition(";")[0].strip().lower() != kind:
        raise UnsupportedMediaType(f"Send the body as {kind}, and say so in Content-Type.")
    if len(raw) > MAX_BODY:
        raise TooLarge()
    return raw


def _client(request: Any) -> Client:
    return Client(
        address=request.context.get("identity", {}).get("sourceIp", ""),
        user_agent=request.headers.get("user-agent", "")[:256],
    )
