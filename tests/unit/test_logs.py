"""Lines are JSON, and do not repeat what exceptions quote."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib import logs


def line(record: logging.LogRecord) -> dict[str, object]:
    found: dict[str, object] = json.loads(logs.JsonFormatter().format(record))
    return found


SENT = {"msg": "sent", "levelname": "INFO", "message_id": "m1"}


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger as Lambda has it: with a handler that is not ours."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [logging.NullHandler()])
    before = root.level
    yield root
    logs.enter()
    root.setLevel(before)


def test_a_line_has_the_ids_of_the_request_and_the_extra_fields() -> None:
    logs.enter(request_id="r1", trace_id="1-2-3", function="parley-dev")

    found = line(logging.makeLogRecord(SENT))

    assert found["message"] == "sent"
    assert found["message_id"] == "m1"
    assert (found["request_id"], found["trace_id"], found["function"]) == (
        "r1",
        "1-2-3",
        "parley-dev",
    )


def test_a_line_has_no_ids_of_the_request_before() -> None:
    logs.enter(request_id="r1", trace_id="1-2-3")
    logs.enter(request_id="r2", trace_id=None)

    found = line(logging.makeLogRecord(SENT))

    assert found["request_id"] == "r2"
    assert "trace_id" not in found


def test_threads_log_for_the_request_too() -> None:
    logs.enter(request_id="r1")

    with ThreadPoolExecutor() as threads:
        (found,) = threads.map(line, [logging.makeLogRecord(SENT)])

    assert found["request_id"] == "r1"


def test_the_level_is_that_of_the_settings(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_level", "INFO")
    logs.enter()
    logging.getLogger("x").info("told")
    logs.set_level("WARNING")
    logging.getLogger("x").info("not told")

    assert [json.loads(one)["message"] for one in capsys.readouterr().out.splitlines()] == ["told"]
    assert len(root.handlers) == 1, "Lambda's own would print every line again"


def test_g8_an_exception_keeps_its_type_and_place_not_its_words() -> None:
    def fail() -> None:
        raise ValueError("Key (email)=(ana@example.org) already exists")

    with pytest.raises(ValueError, match="Key") as caught:
        fail()
    record = logging.makeLogRecord({"msg": "failed", "exc_info": caught._excinfo})

    found = line(record)

    assert found["exception"] == "ValueError"
    assert "fail" in str(found["trace"])
    assert "ana@example.org" not in json.dumps(found)


@pytest.mark.parametrize("evil", ["a\nb", "a\r\n{}", "a\u2028b", "\x1b[2J", '","level":"error'])
def test_what_somebody_sent_cannot_make_a_line_of_its_own(evil: str) -> None:
    logs.enter(request_id=evil)
    record = logging.makeLogRecord({"msg": "sent %s", "args": (evil,), "client": evil})

    text = logs.JsonFormatter().format(record)

    assert text.isprintable()
    assert json.loads(text)["message"] == f"sent {evil}"
    assert json.loads(text)["client"] == json.loads(text)["request_id"] == evil


@pytest.mark.usefixtures("root")
def test_a_connection_that_rabbitmq_closed_in_a_pause_is_no_error_of_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Decision 0030 has RabbitMQ close idle connections, and `Link` opens another."""
    logs.enter()
    for name in ("pika.adapters.base_connection", "pika.adapters.utils.io_services_utils"):
        logging.getLogger(name).error("connection_lost")
    logging.getLogger("pika").critical("told")

    assert [json.loads(each)["message"] for each in capsys.readouterr().out.splitlines()] == [
        "told"
    ]
