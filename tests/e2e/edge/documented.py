"""Holds requests and answers to the OpenAPI document."""

import re
from typing import Any
from urllib.parse import parse_qsl

import jsonschema

from tests.client import Answer, Api


def hidden(page: Answer) -> dict[str, str]:
    """What is hidden in a page's form."""
    return dict(re.findall('<input type="hidden" name="(.*?)" value="(.*?)">', page.body))


def valid(instance: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Raises unless an instance is of a schema that refers into a document."""
    whole = {**schema, "components": document["components"]}
    checker = jsonschema.Draft202012Validator
    jsonschema.validate(instance, whole, cls=checker, format_checker=checker.FORMAT_CHECKER)


class Documented:
    """Makes requests and holds each, and its answer, to the document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, str]] = set()

    async def call(
        self, api: Api, route: str, body: Any = None, form: Any = None, **path: str
    ) -> Answer:
        method, template = route.split(" ")
        template, _, query = template.partition("?")
        operation = self.document["paths"][template][method.lower()]
        if body is not None:
            content = operation["requestBody"]["content"]["application/json"]
            valid(body, content["schema"], self.document)
        sent = template.format(**path) + (f"?{query}" if query else "")
        more: dict[str, Any] = {"allow_redirects": False}
        if form is not None:
            more["data"] = form
        known_query = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
        assert {name for name, _ in parse_qsl(query)} <= known_query
        answer = await api.call(f"{method} {sent}", body, **more)
        if form is not None:
            self.hold_form(operation["requestBody"], form, refused=answer.status >= 400)
        responses = operation["responses"]
        status = str(answer.status)
        response = responses[status]
        self.seen.add((method, template, status))
        if "content" in response:
            content = response["content"][answer.headers["content-type"]]
            schema = content["schema"]
            if schema != {"type": "object"}:
                schema = {**schema, "unevaluatedProperties": False}  # none that is not described
            valid(answer.body, schema, self.document)
        else:
            assert answer.body == ""
        return answer

    def hold_form(self, body: dict[str, Any], form: dict[str, str], *, refused: bool) -> None:
        """What was taken has only fields that are documented, and all that are required."""
        reference = body["content"]["application/x-www-form-urlencoded"]["schema"]["$ref"]
        schema = self.document["components"]["schemas"][reference.rpartition("/")[2]]
        assert set(form) <= set(schema["properties"])
        if not refused:
            valid(form, schema, self.document)
