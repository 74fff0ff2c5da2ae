"""The OpenAPI 3.1 document, made from the routes and models as they are declared."""

import inspect
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from chalicelib.forms import FORM
from chalicelib.rest import ENDPOINTS, Endpoint, Reply
from chalicelib.wire import Model

PAGE = "text/html; charset=utf-8"
_REFS = "#/components/schemas/{model}"


class FieldError(Model):
    """One thing that is wrong with a request."""

    field: str
    message: str


class Problem(Model):
    """An error (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None
    retry_after: int | None = None


def document(server: str) -> dict[str, Any]:
    """The API under `server`, its base URL."""
    models: list[type[BaseModel]] = [Problem]
    for one in ENDPOINTS:
        models += [m for m in (one.hints.get("body"), _answer_model(one)) if m is not None]
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
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": "1",
            "description": "A messaging backend. Live events come over the socket.",
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
    operation: dict[str, Any] = {
        "operationId": one.view.__name__,
        "summary": (inspect.getdoc(one.view) or one.view.__name__).split("\n")[0],
        "parameters": [*_path_parameters(one), *_query_parameters(one)],
        "responses": {
            **{str(status): _response(one, status, schema_of) for status in one.statuses},
            "default": {
                "description": "A problem.",
                "content": {"application/problem+json": {"schema": schema_of[Problem]}},
            },
        },
        "security": [{"bearer": []}] if one.scope else [],
    }
    if one.scope:
        operation["x-scope"] = one.scope
    if "body" in one.hints:
        content = {"application/json": {"schema": schema_of[one.hints["body"]]}}
        operation["requestBody"] = {"required": True, "content": content}
    if "sent" in one.hints and one.method == "POST":
        operation["requestBody"] = {"content": {FORM: {"schema": {"type": "object"}}}}
    return operation


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


def _response(one: Endpoint, status: int, schema_of: dict[Any, Any]) -> dict[str, Any]:
    if status == 204:
        return {"description": "Done."}
    if status == 303:
        return {"description": "Go on there."}
    if one.page:
        return {"description": "A page.", "content": {PAGE: {"schema": {"type": "string"}}}}
    model = _answer_model(one)
    schema = schema_of[model] if model is not None else {"type": "object"}
    return {"description": "Answer.", "content": {"application/json": {"schema": schema}}}


def _answer_model(one: Endpoint) -> type[BaseModel] | None:
    answer = one.hints["return"]
    if get_origin(answer) is Reply or isinstance(answer, UnionType):
        (answer, *_) = get_args(answer)
    return answer if inspect.isclass(answer) and issubclass(answer, BaseModel) else None
