"""An operation of the document, made from a route as it is declared."""

import inspect
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, create_model
from typing_extensions import is_typeddict

from chalicelib.edge.endpoints import Endpoint, Reply
from chalicelib.edge.forms import FORM, Takes
from chalicelib.edge.openapi.examples import example_of
from chalicelib.edge.openapi.problems import example_for, models_for
from chalicelib.edge.openapi.schemas import Mode, schema_of
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
from chalicelib.limits.table import TABLE
from chalicelib.oauth.wire import OAuthError

JSON, PROBLEM, PAGE = "application/json", "application/problem+json", "text/html; charset=utf-8"
_A_PAGE = {
    "schema": {"type": "string"},
    "example": '<!doctype html><html lang="en"><title>Sign in</title></html>',
}
_TEXT = {"type": "string"}
_HEADERS: Mapping[int, Mapping[str, Any]] = {
    303: {
        "Location": {"description": "Where to go on.", "schema": {**_TEXT, "format": "uri"}},
    },
    401: {
        "WWW-Authenticate": {
            "description": "How to authenticate (RFC 9110, section 11.6.1).",
            "schema": _TEXT,
        },
    },
    429: {
        "Retry-After": {
            "description": "Wait so many seconds, then try again.",
            "schema": {"type": "integer"},
        },
        "RateLimit": {
            "description": "What is left of each limit, and in how many seconds there is more.",
            "schema": _TEXT,
        },
        "RateLimit-Policy": {
            "description": "The limits: how many requests in how many seconds.",
            "schema": _TEXT,
        },
    },
}
_OPEN_HEADERS = {"Retry-After": _HEADERS[429]["Retry-After"]}
"""The headers of API Gateway's own 429. It has no others."""

References = Mapping[Any, dict[str, Any]]


def used_by(one: Endpoint) -> Iterator[tuple[Any, Mode]]:
    """The types that the operation refers to."""
    if "body" in one.hints:
        yield one.hints["body"], "validation"
    if (form := _takes(one).form) is not None and one.method == "POST":
        yield form, "validation"
    for answer in _answers(one):
        yield answer, "serialization"
    if one.told and one.scope is None:
        yield OAuthError, "serialization"


class Operations:
    """Makes operations that refer to schemas. `shared`: these, by name. `examples`: examples of
    problems by name, which the operations also refer to."""

    def __init__(self, references: References, shared: Mapping[str, Any]) -> None:
        self._references = references
        self._shared = shared
        self.examples: dict[str, dict[str, Any]] = {}

    def operation(self, one: Endpoint) -> dict[str, Any]:
        """The operation of a route."""
        problems = _problems(one)
        summary, _, description = (inspect.getdoc(one.view) or "").partition("\n\n")
        made: dict[str, Any] = {
            "operationId": one.view.__name__,
            "tags": [one.tag],
            "summary": summary.removesuffix("."),
            "description": description,
            "parameters": [*self._in_path(one), *self._in_query(one)],
            "responses": {
                str(status): self._response(one, status, problems.get(status, []))
                for status in sorted({*one.statuses, *problems})
            },
            "security": _security(one),
            "x-rate-limit": one.limit,
        }
        if one.scope:
            made["x-scope"] = one.scope
        takes = _takes(one)
        if "body" in one.hints:
            made["requestBody"] = {"required": True, "content": self._body(one.hints["body"], JSON)}
        elif takes.form is not None:
            required = bool(getattr(takes.form, "__required_keys__", ()))
            made["requestBody"] = {"required": required, "content": self._body(takes.form, FORM)}
        return made

    def _body(self, kind: Any, media: str) -> dict[str, Any]:
        reference = self._references[kind]
        return {media: {"schema": reference, "example": self._example(reference, whole=False)}}

    def _example(self, schema: Mapping[str, Any], *, whole: bool) -> Any:
        return example_of(schema, self._shared, whole=whole)

    def _in_path(self, one: Endpoint) -> list[dict[str, Any]]:
        kinds: dict[str, Any] = {name: (one.hints[name], ...) for name in one.path_parameters}
        return self._parameters("path", create_model("Path", **kinds)) if kinds else []

    def _in_query(self, one: Endpoint) -> list[dict[str, Any]]:
        kind = one.hints.get("query") or _takes(one).query
        return [] if kind is None else self._parameters("query", kind)

    def _parameters(self, place: str, kind: Any) -> list[dict[str, Any]]:
        schema = schema_of(kind)
        made = []
        for name, each in schema["properties"].items():
            required = name in schema.get("required", ())
            example = {"example": self._example(each, whole=True)} if required else {}
            told = {"name": name, "in": place, "required": required}
            made.append(
                {**told, "description": each.pop("description", ""), "schema": each, **example}
            )
        return made

    def _response(self, one: Endpoint, status: int, errors: list[type[AppError]]) -> dict[str, Any]:
        made: dict[str, Any] = {"description": ""}
        if status in one.statuses:
            made = self._success(one, status)
        if errors:
            known = ", ".join(f"`{code}`" for code in dict.fromkeys(e.code for e in errors))
            made["description"] = f"{made['description']} A problem: {known}.".strip()
            content = made.setdefault("content", {})
            if one.page:
                content[PAGE] = _A_PAGE
            else:
                kind = JSON if one.told else PROBLEM
                content[kind] = self._problem(one, errors, content.get(kind))
        headers = _OPEN_HEADERS if one.open and status == 429 else _HEADERS.get(status)
        if headers:
            made["headers"] = {name: {**told, "required": True} for name, told in headers.items()}
        return made

    def _problem(
        self, one: Endpoint, errors: list[type[AppError]], beside: dict[str, Any] | None
    ) -> dict[str, Any]:
        schemas = [self._references[model] for model in models_for(errors, oauth=bool(one.told))]
        if beside:
            schemas.append(beside["schema"])
        examples = {}
        for error in errors:
            name = f"oauth.{error.code}" if one.told else error.code
            more = one.told(Exception.__new__(error, error.message)) if one.told else {}
            self.examples[name] = {"value": {**example_for(error), **more}}
            examples[error.code] = {"$ref": f"#/components/examples/{name}"}
        if beside:
            examples["refused"] = {"value": beside["example"]}
        return {
            "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
            "examples": examples,
        }

    def _success(self, one: Endpoint, status: int) -> dict[str, Any]:
        if status == 204:
            return {"description": "Done. The answer is empty."}
        if status == 303:
            return {"description": "Go on to the address in `Location`."}
        if one.page:
            return {"description": "A page for the user.", "content": {PAGE: _A_PAGE}}
        answers = [OAuthError] if one.told and status >= 400 else _answers(one)
        if not answers:
            return {
                "description": "An object.",
                "content": {JSON: {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}},
            }
        schemas = [self._references[kind] for kind in answers]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        example = self._example(schema, whole=True)
        told = (inspect.getdoc(answers[0]) or "").split("\n\n")[0].replace("\n", " ")
        return {
            "description": told,
            "content": {JSON: {"schema": schema, "example": example}},
        }


def head_of(get: Mapping[str, Any]) -> dict[str, Any]:
    """HEAD: the same answers without a body."""
    responses = {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in get["responses"].items()
    }
    return {
        **get,
        "operationId": f"{get['operationId']}_head",
        "summary": f"{get['summary']}: headers only",
        "description": "The headers that GET answers with, without its body.",
        "responses": responses,
    }


def _security(one: Endpoint) -> list[dict[str, list[str]]]:
    if one.scope:
        return [{"bearer": []}]
    return [{"program": []}, {}] if _takes(one).basic else []


def _problems(one: Endpoint) -> dict[int, list[type[AppError]]]:
    """Every error that a route may answer with, by status."""
    errors: list[type[AppError]] = [AppError, Unavailable, *one.errors]
    if TABLE[one.limit].buckets or one.limit == "open":  # API Gateway also limits these
        errors.append(RateLimited)
    if one.scope:
        errors += [Unauthorized, Forbidden]
    if one.path_parameters:
        errors.append(NotFound)
    if "query" in one.hints:
        errors.append(ValidationFailed)
    if "sent" in one.hints and (one.scope or one.method == "POST"):
        errors.append(BadRequest)  # for two access tokens, or a form that is not UTF-8
    if one.method == "POST" and "sent" in one.hints:
        errors += [TooLarge, UnsupportedMediaType, ValidationFailed]
    if "body" in one.hints:
        errors += [BadRequest, TooLarge, UnsupportedMediaType, ValidationFailed]
    found: dict[int, list[type[AppError]]] = {}
    for error in dict.fromkeys(errors):
        found.setdefault(error.status, []).append(error)
    return found


def _takes(one: Endpoint) -> Takes:
    for found in getattr(one.hints.get("sent"), "__metadata__", ()):
        if isinstance(found, Takes):
            return found
    return Takes()


def _answers(one: Endpoint) -> list[Any]:
    answer = one.hints["return"]
    kind = get_origin(answer)
    if kind is Annotated:
        answers = answer.__metadata__
    elif kind is Reply or isinstance(answer, UnionType):
        answers = get_args(answer)
    else:
        answers = (answer,)
    return [
        each
        for each in answers
        if is_typeddict(each) or (inspect.isclass(each) and issubclass(each, BaseModel))
    ]
