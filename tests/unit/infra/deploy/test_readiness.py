"""The last look, and answers of AWS that end a run."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from infra.deploy.aws import told
from infra.deploy.checks import readiness
from infra.deploy.errors import Stopped
from tests.unit.infra.fakes import StubbedAws

SICK = {"dependencies": {"postgres": {"status": "ok"}, "redis": {"status": "unavailable"}}}


def test_asks_until_all_is_ready() -> None:
    answers = iter([(0, None), (503, SICK), (200, {})])
    asked: list[str] = []
    progress: list[str] = []

    def get(url: str) -> tuple[int, Any]:
        asked.append(url)
        return next(answers)

    assert readiness.wait(StubbedAws(), "https://api", progress.append, get) == "ready"
    assert asked == ["https://api/v1/ready"] * 3
    assert progress == ["no answer", "503, no answer from redis"]


def test_gives_up_and_says_what_was_missing() -> None:
    aws = StubbedAws()

    with pytest.raises(Stopped, match=r"not ready after 120 s: 503, no answer from redis"):
        readiness.wait(aws, "https://api", lambda _: None, lambda _: (503, SICK))

    assert sum(aws.pauses) <= readiness.SECONDS


def test_no_answer_is_no_error() -> None:
    assert readiness.fetch("http://127.0.0.1:1/v1/ready") == (0, None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoCredentialsError(), "aws sso login"),
        (EndpointConnectionError(endpoint_url="https://sts"), "could not be reached"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "CreateRole"),
            r"CreateRole \(AccessDenied\): not you\n.*permission",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken", "Message": "too old"}}, "GetRole"),
            "Sign in again",
        ),
    ],
)
def test_what_aws_says_is_shown_with_what_helps(error: Any, text: str) -> None:
    import re

    assert re.search(text, told(error))
