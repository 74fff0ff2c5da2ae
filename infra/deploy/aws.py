"""AWS clients for the stage's account, and waiting for AWS."""

import time
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NotConnected

from infra.deploy.errors import Stopped

CALL_SECONDS = 60
INVOKE_SECONDS = 310  # longer than the longest function


class Aws:
    """Clients of one region, each made once."""

    def __init__(self, region: str, pause: Callable[[float], None] = time.sleep) -> None:
        self.region = region
        self._session: Any = boto3.Session(region_name=region)
        self.pause = pause
        self.client = cache(self._client)

    @cached_property
    def account(self) -> str:
        """The account of the credentials."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def partition(self) -> str:
        return str(self._session.get_partition_for_region(self.region))

    @property
    def domain(self) -> str:
        """The domain that endpoints of this region are in."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def wait(self, until: Callable[[], bool], *, seconds: float, every: float, late: str) -> None:
        """Ask again and again. Raises Stopped with `late` when the time is over."""
        for _ in range(max(1, round(seconds / every))):
            if until():
                return
            self.pause(every)
        raise Stopped(late)

    @cached_property
    def invoker(self) -> Any:
        """Calls functions: waits for the longest of them, and never calls twice."""
        return self._session.client("lambda", config=_config(INVOKE_SECONDS, attempts=1))

    def _client(self, service: str) -> Any:
        return self._session.client(service, config=_config(CALL_SECONDS, attempts=5))


def _config(seconds: int, attempts: int) -> Config:
    return Config(
        connect_timeout=10,
        read_timeout=seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


def code_of(error: ClientError) -> str:
    """The code of an error that AWS answered with."""
    return str(error.response.get("Error", {}).get("Code", ""))


def told(error: BotoCoreError | ClientError) -> str:
    """The error in a sentence, and the most frequent remedy."""
    if isinstance(error, ClientError):
        operation = getattr(error, "operation_name", "a call")
        message = error.response.get("Error", {}).get("Message", "")
        text = f"AWS refused {operation} ({code_of(error)}): {message}"
        if code_of(error) in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}:
            text += "\nThe credentials need this permission; docs/operations.md lists all of them."
        if "Expired" in code_of(error):
            text += "\nSign in again."
        return text
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "No AWS credentials were found. Sign in (aws sso login), name a profile "
            "(AWS_PROFILE=...), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, SSOError | TokenRetrievalError):
        return f"{error}\nSign in again: aws sso login"
    if isinstance(error, NotConnected | HTTPClientError):
        return f"AWS could not be reached: {error}"
    return str(error)
