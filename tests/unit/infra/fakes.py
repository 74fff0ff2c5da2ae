"""AWS as the deploy sees it, with clients that answer only what a test expects of them."""

import io
from typing import Any

import boto3
from botocore.stub import Stubber

from infra.deploy.aws import Aws
from infra.deploy.console import Console


class StubbedAws(Aws):
    """One stubbed client for each service; no pauses, and none that never end."""

    def __init__(self, *services: str) -> None:
        super().__init__("eu-central-1", pause=lambda seconds: self.pauses.append(seconds))
        self.pauses: list[float] = []
        made: Any = boto3
        self.clients = {
            service: made.client(
                service,
                region_name="eu-central-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            for service in services
        }
        self.stubs = {service: Stubber(client) for service, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.client = self.clients.__getitem__  # type: ignore[assignment]

    @property
    def invoker(self) -> Any:
        return self.clients["lambda"]

    def done(self) -> None:
        """Everything that was expected was called."""
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


class Terminal(Console):
    """A console whose operator has these answers."""

    def __init__(self, *answers: str) -> None:
        self.stream = io.StringIO()
        self.questions: list[str] = []
        self._answers = list(answers)
        super().__init__(self.stream, ask=self._reply, clock=lambda: 0)

    @property
    def printed(self) -> str:
        return self.stream.getvalue()

    def _reply(self, question: str) -> str:
        self.questions.append(question)
        if not self._answers:
            raise EOFError
        return self._answers.pop(0)
