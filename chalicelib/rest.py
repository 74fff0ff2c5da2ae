"""Typed REST views: `endpoint` authenticates, validates, calls the view, maps errors."""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_type_hints

from chalice import Blueprint, CORSConfig, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from chalicelib.auth.models import Client, Identity, Program
from chalicelib.deps import deps
from chalicelib.errors import (
    AppError,
    Forbidden,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.forms import FORM, Sent, cookies, fields
from chalicelib.ids import new_id
from chalicelib.invocation import invocation
from chalicelib.wire import parse, refusal

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
# Any origin may call, because a call is allowed by its bearer token alone: there are no cookies.
CORS = CORSConfig(allow_origin="*", expose_headers=["x-request-id", "retry-after"], max_age=600)

T = TypeVar("T")


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A view's answer where the status depends on what happened."""

    body: T
    status: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A view's answer where a protocol or a browser prescribes what it looks like: a page, a
    redirect, or an object with headers of its own."""

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
    statuses: tuple[int, ...]
    page: bool
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
    status: int | tuple[int, ...] = 200,
    page: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a view for "METHOD /path/{parameter}".

    The view's annotations say what it gets: path parameters by name (validated, else 404),
    `identity: Identity` or `program: Program` (needs `scope`, else 401 or 403), `body: Model`
    (JSON), `query: Model`, `sent: Sent` (a form), `client: Client`. What it returns is answered as
    JSON with `status`; `None` as 204; a `Reply` or an `Answer` with the status it names, one of
    `status`. A `page` is HTML for people, and no script of another origin may ask for it.
    """
    method, path = route.split(" ")
    statuses = status if isinstance(status, tuple) else (status,)

    def register(view: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(view, include_extras=True)
        declared = Endpoint(
            method=method,
            path=path,
            scope=scope,
            statuses=statuses,
            page=page,
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
            try:
                arguments: dict[str, Any] = {}
                if scope is not None and "program" in hints:
                    arguments["program"] = _authorize_program(request, scope)
                elif scope is not None:
                    arguments["identity"] = _authorize(request, scope)
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
                return _answer(view(**arguments), statuses[0], request_id)
            except AppError as error:
                return problem(error, request_id)
            except Exception:
                log.exception("request failed", extra={"route": route})
                return problem(AppError(), request_id)

        # Chalice calls views by the names in the path, and would look at the view's own signature.
        wrapped.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in adapters]
        )
        cors = False if page else CORS
        bp.route(path, methods=[method], cors=cors, content_types=[], name=view.__name__)(wrapped)
        return view

    return register


def problem(error: AppError, request_id: str) -> Response:
    """An error as application/problem+json (RFC 9457), with our `code`."""
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"dependency": error.dependency})
    headers = {**_headers(request_id), "Content-Type": "application/problem+json"}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after" in error.details:
        headers["Retry-After"] = str(error.details["retry_after"])
    document = {
        "type": "about:blank",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        **error.details,
        "request_id": request_id,
    }
    return Response(to_json(document).decode(), status_code=error.status, headers=headers)


def _headers(request_id: str) -> dict[str, str | list[str]]:
    return {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "x-request-id": request_id,
    }


def _answer(result: Any, status: int, request_id: str) -> Response:
    if isinstance(result, Answer):
        body = result.body if isinstance(result.body, str) else to_json(result.body).decode()
        headers = {**_headers(request_id), **result.headers}
        if result.cookies:
            headers["Set-Cookie"] = list(result.cookies)
        return Response(body, status_code=result.status, headers=headers)
    if isinstance(result, Reply):
        result, status = result.body, result.status
    if result is None:
        return Response("", status_code=204, headers={"x-request-id": request_id})
    return Response(to_json(result).decode(), status_code=status, headers=_headers(request_id))


def _authorize(request: Any, scope: str) -> Identity:
    identity: Identity = deps.auth.authenticate(request.headers.get("authorization", ""))
    if scope not in identity.scopes:
        raise Forbidden()
    return identity


def _authorize_program(request: Any, scope: str) -> Program:
    program = deps.programs.authenticate(request.headers.get("authorization", ""))
    if scope not in program.scopes:
        raise Forbidden()
    return program


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
    content_type = request.headers.get("content-type", kind)
    if content_type.partition(";")[0].strip().lower() != kind:
        raise UnsupportedMediaType(f"Send the body as {kind}.")
    try:
        raw: bytes = request.raw_body
    except ValueError:  # not the base64 it claims to be
        raise ValidationFailed([{"field": "", "message": "The body cannot be read."}]) from None
    if len(raw) > MAX_BODY:
        raise TooLarge()
    return raw


def _client(request: Any) -> Client:
    return Client(
        address=request.context.get("identity", {}).get("sourceIp", ""),
        user_agent=request.headers.get("user-agent", "")[:256],
    )
