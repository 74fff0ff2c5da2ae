"""The canary at the end of a deploy: what it says when pushes do not arrive."""

import io
import json

import pytest
from botocore.response import StreamingBody

from infra.deploy.checks import canary
from infra.deploy.errors import Stopped
from tests.unit.infra.fakes import StubbedAws

NAME = "parley-dev-maintain"


def aws_where(queues: dict[str, str]) -> StubbedAws:
    text = json.dumps({"queues": queues}).encode()
    aws = StubbedAws("lambda")
    aws.stubs["lambda"].add_response(
        "invoke", {"Payload": StreamingBody(io.BytesIO(text), len(text)), "StatusCode": 200}
    )
    return aws


def no_problems() -> dict[str, str]:
    return {}


def test_a_canary_out_of_every_queue_is_well() -> None:
    said = canary.send(aws_where({"push.0": "ok", "push.1": "ok"}), NAME, no_problems)

    assert said == "2 queues, FCM accepts the account"


def test_a_queue_that_nobody_read_is_named_with_what_aws_says_of_it() -> None:
    aws = aws_where({"push.0": "ok", "push.1": "missing"})

    with pytest.raises(Stopped, match=r"push\.1: .*AWS says: PROBLEM: no route") as stopped:
        canary.send(aws, NAME, lambda: {"push.1": "PROBLEM: no route"})

    assert "push.0" not in str(stopped.value)


def test_an_account_that_fcm_refuses_is_reported() -> None:
    aws = aws_where({"push.0": "UnauthenticatedError"})

    with pytest.raises(Stopped, match=r"push\.0: .*FCM answered UnauthenticatedError"):
        canary.send(aws, NAME, no_problems)
