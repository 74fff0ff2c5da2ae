"""The document of the socket is whole, and says what the code declares."""

from types import NoneType
from typing import Any, get_type_hints

import jsonschema
import pytest

from app import app
from chalicelib.deps import deps
from chalicelib.domain_events.models import TYPES
from chalicelib.edge.asyncapi import TAGS, document
from chalicelib.edge.asyncapi.naming import named
from chalicelib.edge.frames import ACTIONS
from chalicelib.edge.ws import SUBPROTOCOL
from chalicelib.live.events import EVENTS
from tests.unit.edge.test_rest import call
from tests.unit.settings import settings

assert app  # it declares the actions and events
DOCUMENT = document("https://chat.example.org/api", "wss://socket.example.org/live")
COMPONENTS = DOCUMENT["components"]
MESSAGES = COMPONENTS["messages"]


def schema_of(key: str) -> dict[str, Any]:
    name = MESSAGES[key]["payload"]["$ref"].rpartition("/")[2]
    found: dict[str, Any] = COMPONENTS["schemas"][name]
    return found


def valid(instance: Any, key: str) -> None:
    jsonschema.validate(instance, {**MESSAGES[key]["payload"], "components": COMPONENTS})


def test_it_has_every_action_and_every_event() -> None:
    assert set(MESSAGES) == {
        *(f"{name}.{part}" for name in ACTIONS for part in ("request", "answer")),
        *(f"{name}.event" for name in EVENTS),
        *(f"{name}.published" for name in TYPES),
        "error",
    }
    assert set(DOCUMENT["operations"]) == {
        *ACTIONS,
        *(f"{name}.event" for name in EVENTS),
        *(f"{name}.published" for name in TYPES),
    }


def test_it_says_where_the_socket_is() -> None:
    server, channel = DOCUMENT["servers"]["socket"], DOCUMENT["channels"]["socket"]

    assert (server["protocol"], server["host"]) == ("wss", "socket.example.org")
    assert channel["address"] == "/live"
    assert document("x", "ws://localhost:8001")["channels"]["socket"]["address"] == "/"


def test_it_says_what_opens_a_socket() -> None:
    binding = DOCUMENT["channels"]["socket"]["bindings"]["ws"]

    assert set(binding["query"]["properties"]) == {"ticket"}
    assert set(binding["headers"]["properties"]) == {"Authorization", "Sec-WebSocket-Protocol"}
    assert SUBPROTOCOL in DOCUMENT["info"]["description"]
    schemes = DOCUMENT["servers"]["socket"]["security"]
    assert [each["$ref"].rpartition("/")[2] for each in schemes] == ["ticket", "token"]


@pytest.mark.parametrize("key", MESSAGES)
def test_a_message_has_title_summary_tag_and_an_example(key: str) -> None:
    message = MESSAGES[key]

    assert message["title"]
    assert message["summary"].endswith((".", "`."))
    [tag] = message["tags"]
    assert tag["name"] in TAGS
    assert schema_of(key)["title"] == message["name"]
    [example] = message["examples"]
    valid(example["payload"], key)


@pytest.mark.parametrize("name", DOCUMENT["operations"])
def test_an_operation_has_title_summary_and_tag(name: str) -> None:
    operation = DOCUMENT["operations"][name]

    assert operation["title"]
    assert operation["summary"].endswith(".")
    assert {tag["name"] for tag in operation["tags"]} <= set(TAGS)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_answer_is_found_by_the_id_of_its_request(name: str) -> None:
    ids = COMPONENTS["correlationIds"]
    [request] = DOCUMENT["operations"][name]["messages"]
    answers = DOCUMENT["operations"][name]["reply"]["messages"]

    assert request["$ref"].endswith(f"/{name}.request")
    assert [each["$ref"].rpartition("/")[2] for each in answers] == [f"{name}.answer", "error"]
    for key, member in ((f"{name}.request", "id"), (f"{name}.answer", "re"), ("error", "re")):
        found = ids[MESSAGES[key]["correlationId"]["$ref"].rpartition("/")[2]]
        assert found["location"] == f"$message.payload#/{member}"
        assert member in schema_of(key)["required"]


@pytest.mark.parametrize("name", ACTIONS)
def test_the_data_of_a_request_may_be_left_out_if_nothing_is_needed(name: str) -> None:
    needed = any(field.is_required() for field in ACTIONS[name].model.model_fields.values())

    assert ("data" in schema_of(f"{name}.request")["required"]) is needed
    answer = COMPONENTS["schemas"][
        schema_of(f"{name}.answer")["properties"]["data"]["$ref"].rpartition("/")[2]
    ]
    silent = get_type_hints(ACTIONS[name].call)["return"] is NoneType
    assert silent == (not answer.get("properties"))


def test_each_property_is_described() -> None:
    frames = {"id", "re", "data", "action", "event", "error"}

    assert not [
        (name, field)
        for name, schema in COMPONENTS["schemas"].items()
        for field, each in schema.get("properties", {}).items()
        if field not in frames and "description" not in each and "$ref" not in each
    ]


def test_inline_schemas_have_names() -> None:
    inner = {"type": "object", "properties": {"b": {"enum": [1, 2]}, "c": {"type": "string"}}}
    either = {"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}
    many = {"type": "array", "items": {"enum": ["x"]}}
    schema: dict[str, Any] = {"properties": {"a_b": inner, "d": either, "e": many}}

    [made] = named({"Own": schema}).values()

    inside = made["properties"]
    assert inside["a_b"]["title"] == "OwnAB"
    assert inside["a_b"]["properties"]["b"]["title"] == "OwnABB"
    assert inside["d"]["title"] == "OwnD"
    assert inside["e"]["items"]["title"] == "OwnEItem"
    assert "title" not in inside["a_b"]["properties"]["c"]
    assert "title" not in schema["properties"]["a_b"]


def test_a_field_that_may_be_null_says_so_by_its_types() -> None:
    text = {"type": "string", "format": "date-time"}
    schema = {"properties": {"at": {"anyOf": [text, {"type": "null"}], "description": "When."}}}

    [made] = named({"X": schema}).values()

    assert made["properties"]["at"] == {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "When.",
    }


def test_anyone_may_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings())

    status, _, answer = call(app, "GET /v1/asyncapi.json")

    assert status == 200
    assert answer["channels"]["socket"]["address"] == "/"
    status, _, _ = call(app, "HEAD /v1/asyncapi.json")
    assert status == 200
