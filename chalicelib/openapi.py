"""The OpenAPI 3.1 document, made from the routes and models as they are declared."""

import inspect
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from chalicelib.errors import (
    AppError,
    BadRequest,
    Forbidden,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.forms import FORM
from chalicelib.limits import TABLE
from chalicelib.rest import ENDPOINTS, Endpoint, Reply
from chalicelib.wire import Model

PAGE = "text/html; charset=utf-8"
_REFS = "#/components/schemas/{model}"


class FieldError(Model):
    """One thing that is wrong with a request. `kind` is stable; `message` is for people. `min` and
    `max` are the bounds that it names."""

    field: str
    kind: str
    message: str
    min: int | None = None
    max: int | None = None


class Problem(Model):
    """An error (RFC 9457). `code` is stable; `detail` is for people. `error` and
    `error_description` are those of OAuth 2.0, at its endpoints."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    error: str | None = None
    error_description: str | None = None
    errors: list[FieldError] | None = None
    retry_after: int | None = None


def document(server: str) -> dict[str, Any]:
    """The API under `server`, its base URL."""
    models: list[type[BaseModel]] = [Problem]
    for one in ENDPOINTS:
        models += [m for m in (one.hints.get("body"), *_answer_models(one)) if m is not None]
    inputs = {one.hints["body"] for one in ENDPOINTS if "body" in one.hints}
    modes: list[Any] = [
        (model, "validation" if model in inputs else "serialization")
        for model in dict.fromkeys(models)
    ]
    references, schemas = models_json_schema(modes, ref_template=_REFS)
    schema_of = {model: reference for (model, _), reference in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schema_of)
        if one.open:
            paths[one.path]["head"] = _without_bodies(paths[one.path]["get"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": "1",
            "description": (
                "A messaging backend. Live events come over the socket. Besides what is documented "
                "here, the gateway answers with problems of its own: 403 `unknown_route` to "
                "unknown paths and methods, 413 to bodies over 10 MB, 504 where no function "
                "answers in time."
            ),
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _operation(one: Endpoint, schema_of: dict[Any, Any]) -> dict[str, Any]:
    problems = _problems(one)
    operation: dict[str, Any] = {
        "operationId": one.view.__name__,
        "summary": (inspect.getdoc(one.view) or one.view.__name__).split("\n")[0],
        "parameters": [*_path_parameters(one), *_query_parameters(one)],
        "responses": {
            str(status): _response(one, status, problems.get(status, []), schema_of)
            for status in sorted({*one.statuses, *problems})
        },
        "security": [{"bearer": []}] if one.scope else [],
    }
    if one.scope:
        operation["x-scope"] = one.scope
    operation["x-rate-limit"] = one.limit
    if "body" in one.hints:
        content = {"application/json": {"schema": schema_of[one.hints["body"]]}}
        operation["requestBody"] = {"required": True, "content": content}
    if "sent" in one.hints and one.method == "POST":
        operation["requestBody"] = {"content": {FORM: {"schema": {"type": "object"}}}}
    return operation


def _without_bodies(get: dict[str, Any]) -> dict[str, Any]:
    """HEAD: the same answers, of which only the headers are sent."""
    responses = {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in get["responses"].items()
    }
    summary = "The headers of what GET answers."
    return {
        **get,
        "operationId": f"{get['operationId']}_head",
        "summary": summary,
        "responses": responses,
    }


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": TypeAdapter(one.hints[name]).json_schema(),
        }
        for name in one.path_parameters
    ]


def _query_parameters(one: Endpoint) -> list[dict[str, Any]]:
    if "query" not in one.hints:
        return []
    schema = one.hints["query"].model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": property_}
        for name, property_ in schema["properties"].items()
    ]


def _problems(one: Endpoint) -> dict[int, list[str]]:
    """The codes of every error that a route may answer with, by status."""
    errors: list[type[AppError]] = [AppError, Unavailable, *one.errors]
    if TABLE[one.limit].buckets:
        errors.append(RateLimited)
    if one.scope:
        errors += [Unauthorized, Forbidden]
    if one.path_parameters:
        errors.append(NotFound)
    if "query" in one.hints:
        errors.append(ValidationFailed)
    if one.method == "POST" and "sent" in one.hints:
        errors += [TooLarge, UnsupportedMediaType, ValidationFailed]
    if "body" in one.hints:
        errors += [BadRequest, TooLarge, UnsupportedMediaType, ValidationFailed]
    found: dict[int, list[str]] = {}
    for error in dict.fromkeys(errors):
        found.setdefault(error.status, []).append(error.code)
    return found


def _response(
    one: Endpoint, status: int, codes: list[str], schema_of: dict[Any, Any]
) -> dict[str, Any]:
    told: dict[str, Any] = {"description": ""}
    if status in one.statuses:
        told = _success(one, status, schema_of)
    if codes:
        kind = "application/json" if one.told else "application/problem+json"
        problem = {kind: {"schema": schema_of[Problem]}}
        page = {PAGE: {"schema": {"type": "string"}}}
        told["content"] = {**told.get("content", {}), **(page if one.page else problem)}
        known = ", ".join(f"`{code}`" for code in codes)
        told["description"] = f"{told['description']} A problem: {known}.".strip()
    if headers := _HEADERS.get(status):
        told["headers"] = {
            name: {"schema": {"type": kind}, "required": True} for name, kind in headers.items()
        }
    return told


def _success(one: Endpoint, status: int, schema_of: dict[Any, Any]) -> dict[str, Any]:
    if status == 204:
        return {"description": "Done."}
    if status == 303:
        return {"description": "Go on there."}
    if one.page:
        return {"description": "A page.", "content": {PAGE: {"schema": {"type": "string"}}}}
    answers = [schema_of[model] for model in _answer_models(one)]
    schema = {"anyOf": answers} if len(answers) > 1 else (answers or [{"type": "object"}])[0]
    return {"description": "Answer.", "content": {"application/json": {"schema": schema}}}


_HEADERS = {
    401: {"WWW-Authenticate": "string"},
    429: {"Retry-After": "integer", "RateLimit": "string", "RateLimit-Policy": "string"},
}


def _answer_models(one: Endpoint) -> list[type[BaseModel]]:
    answer = one.hints["return"]
    within = get_origin(answer) is Reply or isinstance(answer, UnionType)
    answers = get_args(answer) if within else (answer,)
    return [each for each in answers if inspect.isclass(each) and issubclass(each, BaseModel)]
