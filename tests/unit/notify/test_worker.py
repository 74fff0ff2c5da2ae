"""The event that AWS makes of messages in a queue."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import logs
from chalicelib.deps import deps
from chalicelib.notify import worker
from chalicelib.notify.models import Record
from tests.unit.settings import settings


def event(*messages: dict[str, Any], queue: str = "push.2::/") -> dict[str, Any]:
    return {
        "eventSource": "aws:rmq",
        "eventSourceArn": "arn:aws:mq:us-east-1:123456789012:broker:b:b-1",
        "rmqMessagesByQueue": {queue: list(messages)},
    }


def message(data: Any, headers: Any = None) -> dict[str, Any]:
    properties = {"contentType": "application/json", "headers": headers, "deliveryMode": 2}
    return {"basicProperties": properties, "redelivered": False, "data": data}


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def test_records_keep_their_order_and_queue() -> None:
    given = event(message(encoded(b"one")), message(encoded(b"two")))

    assert list(worker.records(given)) == [Record(b"one", 2, 0), Record(b"two", 2, 0)]


@pytest.mark.parametrize(
    ("queue", "shard"),
    [("push.0::/", 0), ("push.3::/chat", 3), ("push.1", 1), ("other::/", 0), ("push.dead::/", 0)],
)
def test_the_queue_says_the_shard(queue: str, shard: int) -> None:
    (record,) = worker.records(event(message(encoded(b"")), queue=queue))

    assert record.shard == shard


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({"attempt": 3}, 3),
        ({"attempt": 3, "tries": 1}, 1),
        ({"attempt": {"bytes": [51]}}, 3),
        ({"reason": {"bytes": [88]}}, 0),
        ({"attempt": -1}, 0),
        ({"attempt": {"bytes": "3"}}, 0),
        ({"attempt": {"bytes": [999]}}, 0),
        ({"attempt": {}}, 0),
        ({"attempt": [1]}, 0),
        ({"attempt": None}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_the_attempt_stands_in_a_header(headers: Any, attempt: int) -> None:
    (record,) = worker.records(event(message(encoded(b""), headers)))

    assert record.attempt == attempt


@pytest.mark.parametrize("data", ["not base64!", "a", None, 7, "é"])
def test_what_is_not_base64_is_a_record_nobody_can_read(data: Any) -> None:
    (record,) = worker.records(event(message(data)))

    assert record.body == str(data).encode()


def test_a_message_without_properties_is_read() -> None:
    (record,) = worker.records(event({"data": encoded(b"{}")}))

    assert record == Record(b"{}", 2, 0)


def test_the_function_hands_its_batch_to_the_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[Record]] = []
    entered: list[dict[str, Any]] = []
    monkeypatch.setattr(logs, "enter", lambda **ids: entered.append(ids))
    monkeypatch.setitem(vars(deps), "settings", settings())
    monkeypatch.setitem(vars(deps), "notifier", SimpleNamespace(notify=batches.append))

    worker.notify(event(message(encoded(b"{}"))), SimpleNamespace(aws_request_id="r1"))

    assert batches == [[Record(b"{}", 2, 0)]]
    assert entered == [{"request_id": "r1", "trace_id": None, "function": None}]
