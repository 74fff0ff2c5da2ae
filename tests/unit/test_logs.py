"""Lines are JSON and keep what exceptions quote to themselves."""

import json
import logging

import pytest

from chalicelib import logs


def line(record: logging.LogRecord) -> dict[str, object]:
    found: dict[str, object] = json.loads(logs.JsonFormatter().format(record))
    return found


def test_a_line_has_the_request_id_and_the_extra_fields() -> None:
    token = logs.request_id.set("r1")
    record = logging.makeLogRecord({"msg": "sent", "levelname": "INFO", "message_id": "m1"})

    found = line(record)
    logs.request_id.reset(token)

    assert found["message"] == "sent"
    assert found["request_id"] == "r1"
    assert found["message_id"] == "m1"


def test_an_exception_keeps_its_type_and_place_not_its_words() -> None:
    def fail() -> None:
        raise ValueError("Key (email)=(ana@example.org) already exists")

    with pytest.raises(ValueError, match="Key") as caught:
        fail()
    record = logging.makeLogRecord({"msg": "failed", "exc_info": caught._excinfo})

    found = line(record)

    assert found["exception"] == "ValueError"
    assert "fail" in str(found["trace"])
    assert "ana@example.org" not in json.dumps(found)
