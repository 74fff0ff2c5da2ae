"""Calling the function inside the network."""

import io
import json
from typing import Any

import pytest
from botocore.response import StreamingBody

from infra.deploy.aws import INVOKE_SECONDS
from infra.deploy.errors import Stopped
from infra.deploy.functions import maintenance
from infra.deploy.project import Project
from tests.unit.infra.fakes import StubbedAws

NAME = "parley-dev-maintain"


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws("lambda")


def answers(aws: StubbedAws, payload: dict[str, Any], answer: Any, **more: str) -> None:
    text = json.dumps(answer).encode()
    aws.stubs["lambda"].add_response(
        "invoke",
        {"Payload": StreamingBody(io.BytesIO(text), len(text)), "StatusCode": 200, **more},
        {
            "FunctionName": NAME,
            "InvocationType": "RequestResponse",
            "Payload": json.dumps(payload).encode(),
        },
    )


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ({"task": "migrate"}, {"done": True}),
        ({"task": "canary"}, {"queues": {"push.0": "ok"}}),
        ({"task": "redrive", "limit": 1000}, {"moved": 3, "left": 0}),
        ({"task": "oauth-client", "client": {"name": "Board"}}, {"client_id": "c1"}),
        ({"task": "event-consumer", "consumer": "board"}, {"url": "amqps://x", "queue": "q"}),
        ({"task": "grant", "username": "ana", "role": "admin"}, {"user_id": "u1"}),
    ],
)
def test_hands_the_task_over_and_the_answer_back(
    aws: StubbedAws, payload: dict[str, Any], answer: dict[str, Any]
) -> None:
    answers(aws, payload, answer)

    assert maintenance.invoke(aws, NAME, payload) == answer
    aws.done()


def test_tells_what_failed_and_where_to_look(aws: StubbedAws) -> None:
    said = {"errorMessage": "No answer in time from: postgres", "errorType": "MaintenanceFailed"}
    answers(aws, {"task": "migrate"}, said, FunctionError="Unhandled")

    with pytest.raises(Stopped, match=r"migrate failed: No answer .*postgres\. .*aws logs tail"):
        maintenance.invoke(aws, NAME, {"task": "migrate"})


def test_a_throttled_call_says_to_try_again(aws: StubbedAws) -> None:
    aws.stubs["lambda"].add_client_error("invoke", "TooManyRequestsException")

    with pytest.raises(Stopped, match="throttled"):
        maintenance.invoke(aws, NAME, {"task": "migrate"})


def test_we_wait_longer_than_the_function_may_take() -> None:
    assert Project("prod").function("maintain").timeout < INVOKE_SECONDS
