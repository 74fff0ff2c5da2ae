"""Typed REST views: `endpoint` authenticates, validates, calls the view, maps errors."""

import functools
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_type_hints

from chalice import Blueprint, CORSConfig, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

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
from chalicelib.ids import new_id
from chalicelib.invocation import invocation
from chalicelib.limits import TABLE, Quota, Use
from chalicelib.limits import headers as rate_limit_fields
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
class Endpoint:
    """A route as declared; the OpenAPI document is made from these."""

    method: str
    path: str
    scope: str | None
    limit: str
    statuses: tuple[int, ...]
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
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a view for "METHOD /path/{parameter}".

    The view's annotations say what it gets: path parameters by name (validated, else 404),
    `identity: Identity` (needs `scope`, else 401 or 403), `body: Model` (JSON), `query: Model`,
    `client: Client`. What it returns is answered as JSON with `status`; `None` as 204; a `Reply`
    with the status it names, one of `status`.

    `limit` is a class of chalicelib/limits.py; without one it is "default" or, without a scope,
    "anonymous". Its target is the chat of the path.
    """
    method, path = route.split(" ")
    limited = limit or ("default" if scope else "anonymous")
    if limited not in TABLE:
        raise TypeError(f"{route}: there is no class of limits called {limited}")
    statuses = status if isinstance(status, tuple) else (status,)

    def register(view: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(view, include_extras=True)
        declared = Endpoint(
            method=method,
            path=path,
            scope=scope,
            limit=limited,
            statuses=statuses,
            view=view,
            hints=hints,
        )
        if ("identity" in hints) != (scope is not None):
            raise TypeError(f"{route}: a view takes an identity if, and only if, it has a scope")
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
                    authorization = request.headers.get("authorization", "")
                    arguments["identity"], quotas = deps.auth.admit(authorization, use)
                    if scope not in arguments["identity"].scopes:
                        raise Forbidden()
                elif TABLE[limited].address and not TABLE[limited].inside:
                    quotas = deps.throttle.anonymous(use)
                for name, adapter in adapters.items():
                    arguments[name] = _path_value(adapter, parameters[name])
                if "query" in hints:
                    arguments["query"] = _query(hints["query"], request.query_params)
                if "body" in hints:
                    arguments["body"] = _body(hints["body"], request)
                if "client" in hints:
                    arguments["client"] = _client(request)
                response = _answer(view(**arguments), statuses[0], request_id)
            except AppError as error:
                response = problem(error, request_id)
                quotas = error.quotas if isinstance(error, RateLimited) else quotas
            except Exception:
                log.exception("request failed", extra={"route": route})
                response = problem(AppError(), request_id)
            response.headers.update(rate_limit_fields(quotas))
            return response

        # Chalice calls views by the names in the path, and would look at the view's own signature.
        wrapped.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in adapters]
        )
        bp.route(path, methods=[method], cors=CORS, content_types=[], name=view.__name__)(wrapped)
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
    if isinstance(result, Reply):
        result, status = result.body, result.status
    if result is None:
        return Response("", status_code=204, headers={"x-request-id": request_id})
    return Response(to_json(result).decode(), status_code=status, headers=_headers(request_id))


def _use(request: Any, limit: str, parameters: dict[str, str]) -> Use:
    return Use(limit=limit, address=_client(request).address, target=parameters.get("chat_id", ""))


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
    content_type = request.headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType()
    try:
        raw = request.raw_body
    except ValueError:  # not the base64 it claims to be
        raise ValidationFailed([{"field": "", "message": "The body cannot be read."}]) from None
    if len(raw) > MAX_BODY:
        raise TooLarge()
    return parse(model, raw)


def _client(request: Any) -> Client:
    return Client(
        address=request.context.get("identity", {}).get("sourceIp", ""),
        user_agent=request.headers.get("user-agent", "")[:256],
    )
