"""The OpenAPI document says of everything what it is, and its examples are right."""

import functools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import app
from chalicelib.edge.openapi import document
from chalicelib.edge.openapi.examples import NoExample, example_of
from chalicelib.edge.openapi.problems import MODELS, codes
from chalicelib.edge.openapi.tags import TAGS
from chalicelib.errors import AppError
from infra.gateway import RESPONSES

assert app  # every route is declared

NAMED_BY_OTHERS = {
    *("Draft.client_id", "Message.client_id", "PasskeyAnswer.id", "PasskeyMade.id"),
    *("AuditEntry.id", "GoogleStart.client_id", "TokenState.client_id"),
    *(f"{model.__name__}.request_id" for model in MODELS),
}
"""Ids that are not UUIDs made here: the client, a browser, Google or the gateway makes them, or
they are numbers."""


@functools.cache
def made() -> dict[str, Any]:
    """The document; not made while tests are collected."""
    return document("https://parley.test")


def schemas() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = made()["components"]["schemas"]
    return found


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, each in made()["paths"].items():
        for method, operation in each.items():
            yield f"{method.upper()} {path}", operation


def at(reference: str) -> Any:
    found: Any = made()
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything that is sent or answered."""
    for one in [operation.get("requestBody", {}), *operation["responses"].values()]:
        yield from one.get("content", {}).values()


def examples(body: dict[str, Any]) -> list[Any]:
    if "example" in body:
        return [body["example"]]
    return [
        (at(one["$ref"]) if "$ref" in one else one)["value"] for one in body["examples"].values()
    ]


def properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, schema in schemas().items():
        for each, told in schema.get("properties", {}).items():
            yield name, each, told


def inside(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            yield from inside(one)


def test_an_operation_says_what_it_does() -> None:
    for label, operation in operations():
        assert operation["operationId"].isidentifier(), label
        assert [tag in TAGS for tag in operation["tags"]] == [True], f"{label}: a tag of TAGS"
        summary, description = operation["summary"], operation["description"]
        assert re.fullmatch(r"[A-Z].{4,70}", summary), f"{label}: begin with one short line"
        assert description.endswith((".", ")")), f"{label}: describe it below the first line"
        assert all(parameter["description"] for parameter in operation["parameters"]), label
        assert all(response["description"] for response in operation["responses"].values()), label


def test_operation_ids_are_unique_and_all_tags_are_used() -> None:
    ids = [one["operationId"] for _, one in operations()]

    assert len(set(ids)) == len(ids)
    assert {tag for _, one in operations() for tag in one["tags"]} == set(TAGS)
    assert list(TAGS) == sorted(TAGS)


def test_every_body_has_an_example_of_its_own_schema() -> None:
    for label, operation in operations():
        parts = [(body["schema"], one) for body in bodies(operation) for one in examples(body)]
        required = [one for one in operation["parameters"] if one["required"]]
        parts += [(parameter["schema"], parameter["example"]) for parameter in required]
        for schema, example in parts:
            whole = {**schema, "components": made()["components"]}
            checker = Draft202012Validator(
                whole, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            assert [error.message for error in checker.iter_errors(example)] == [], label


def test_every_property_is_described() -> None:
    assert [
        f"{name}.{each}" for name, each, told in properties() if "description" not in told
    ] == []


def test_schemas_have_readable_names_and_descriptions() -> None:
    for name, schema in schemas().items():
        assert re.fullmatch(r"([A-Z][a-z]+|OAuth)+", name), name
        assert "Of" not in re.findall("[A-Z][a-z]+", name), name
        assert schema["title"] == name
        assert schema["description"], name


def test_ids_and_times_have_a_format() -> None:
    for name, each, told in properties():
        formats = {one.get("format") for one in [told, *told.get("anyOf", [])]}
        if each.endswith(("_at", "_until")):
            assert "date-time" in formats, f"{name}.{each}"
        if re.search("(^|_)id$", each) and f"{name}.{each}" not in NAMED_BY_OTHERS:
            assert "uuid" in formats, f"{name}.{each}"


def test_optional_fields_have_no_default_of_null() -> None:
    assert [one for one in inside(made()) if one.get("default", "") is None] == []


def test_answers_always_have_all_of_their_members() -> None:
    """But for those of OAuth, and for what only some problems add."""
    answered = set()
    for _, operation in operations():
        answered |= referred(operation["responses"])
    others = {"GrantedTokens", "TokenState", "UserInfo", "OAuthError"}
    others |= {"OAuthProblem", "SecondFactorProblem", "FieldError"}
    for name in answered - others:
        schema = schemas()[name]
        if schema.get("additionalProperties") is not False:  # else it is what was sent
            assert schema.get("required", []) == list(schema.get("properties", {})), name


def referred(part: Any) -> set[str]:
    """The schemas that a part of the document leads to."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        for one in inside(waiting.pop()):
            name = str(one.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas() and name not in found:
                found.add(name)
                waiting.append(schemas()[name])
    return found


def test_every_code_is_listed() -> None:
    def kinds(base: type[AppError]) -> Iterator[type[AppError]]:
        for kind in base.__subclasses__():
            yield kind
            yield from kinds(kind)

    listed = schemas()["Problem"]["properties"]["code"]["enum"]

    assert listed == codes() == sorted(set(listed))
    assert {kind.code for kind in kinds(AppError)} | {AppError.code} <= set(listed)
    assert {refusal.code for refusal in RESPONSES.values()} <= set(listed)


def test_members_that_some_errors_add_have_schemas() -> None:
    answers = made()["paths"]["/v1/auth/login"]["post"]["responses"]

    def first(status: str) -> dict[str, Any]:
        schema = answers[status]["content"]["application/problem+json"]["schema"]
        found: dict[str, Any] = at(schema.get("anyOf", [schema])[0]["$ref"])
        return found

    assert {"methods", "passkey"} <= set(first("401")["properties"])
    assert "errors" in first("422")["required"]
    assert "retry_after" in first("429")["required"]
    assert "retry_after" in first("503")["required"]


@pytest.mark.parametrize("path", ["authorize", "token", "revoke", "introspect", "logout"])
def test_forms_and_parameters_of_oauth_are_listed(path: str) -> None:
    methods = made()["paths"][f"/oauth2/{path}"]
    form = methods["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]

    assert at(form["schema"]["$ref"])["properties"]
    if "get" in methods:
        assert "client_id" in [one["name"] for one in methods["get"]["parameters"]]


def test_a_field_without_an_example_is_found() -> None:
    with pytest.raises(NoExample):
        example_of({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                   {}, whole=False)  # fmt: skip
