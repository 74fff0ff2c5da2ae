"""Every function of a package, each in its container, beside the servers of a local cloud."""

import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bench import function as events
from infra.deploy.place import SECRETS
from infra.deploy.project import Project
from infra.deploy.stages import SECRET
from tests.client import PASSWORD
from tests.deploy.runtime.function import Function, Unpacked


class Answer(NamedTuple):
    """What API Gateway would pass on."""

    status: int
    headers: dict[str, str]
    body: Any


def own(name: str, environment: dict[str, str]) -> dict[str, str]:
    """The environment of one function: without the secrets that it must not read."""
    project = Project("dev")
    readable = {
        setting for secret in project.secrets(project.function(name)) for setting in SECRETS[secret]
    }
    return {k: v for k, v in environment.items() if k not in SECRET or k in readable}


class Deployment:
    """Starts a function when it is first called. `stop` ends all of them."""

    def __init__(
        self,
        container: Unpacked,
        environment: dict[str, str],
        logs: Path,
        *,
        trace_imports: bool = False,
    ) -> None:
        self._container = container
        self._environment = environment
        self._logs = logs
        self._trace_imports = trace_imports
        self._functions: dict[str, Function] = {}

    def function(self, name: str, handler: str = "") -> Function:
        """The function of this name, as `.chalice/config.json` has it: with its secrets alone."""
        if name not in self._functions:
            self._functions[name] = Function(
                name,
                self._container,
                own(name, self._environment),
                self._logs / f"{name}.log",
                handler=handler,
                trace_imports=self._trace_imports,
            )
        return self._functions[name]

    def rest(self, route: str, body: Any = None, *, token: str = "", resource: str = "") -> Answer:
        """The answer to "METHOD /path"; `resource` is the route's template, where it has one."""
        result = self.function("api_handler").invoke(events.rest(route, token, body, resource))
        headers = {name.lower(): value for name, value in result["headers"].items()}
        text = result["body"]
        return Answer(result["statusCode"], headers, json.loads(text) if text else None)

    def form(self, route: str, fields: dict[str, str]) -> Answer:
        """The answer to a form."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        event = {**events.rest(route, ""), "headers": headers, "body": urlencode(fields)}
        result = self.function("api_handler").invoke(event)
        headers = {name.lower(): value for name, value in result["headers"].items()}
        return Answer(result["statusCode"], headers, json.loads(result["body"]))

    def register(self, username: str) -> dict[str, Any]:
        """Somebody new, signed in."""
        answer = self.rest(
            "POST /v1/auth/register",
            {
                "email": f"{username}@example.org",
                "username": username,
                "password": PASSWORD,
                "display_name": "Ana",
            },
        )
        assert answer.status == 201, answer
        signed_in: dict[str, Any] = answer.body
        return signed_in

    def connect(self, caller: events.Caller, ticket: str) -> int:
        """The status of a socket that connects with this ticket."""
        status: int = self.function("websocket_connect").invoke(caller.connect(ticket))[
            "statusCode"
        ]
        return status

    def ask(self, caller: events.Caller, action: str, data: dict[str, Any]) -> Any:
        """What goes back on the socket for a frame."""
        result = self.function("websocket_message").invoke(caller.frame(action, data))
        return json.loads(result["body"])

    def log(self, name: str) -> list[dict[str, Any]]:
        """The lines that a function logged."""
        lines = self._functions[name].log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def stop(self) -> None:
        for function in self._functions.values():
            function.stop()
        self._functions.clear()
