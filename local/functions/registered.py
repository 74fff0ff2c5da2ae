"""What the app registered, with the timeouts and memory that .chalice/config.json gives it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

API_TIMEOUT = 29.0
"""API Gateway waits this long for an answer. A longer timeout makes no sense there."""

DEFAULT_TIMEOUT = 60.0
"""Chalice's default for all other functions."""

_SOCKET_NAMES = {
    "$connect": "websocket_connect",
    "$default": "websocket_message",
    "$disconnect": "websocket_disconnect",
}


@dataclass(frozen=True)
class Function:
    """One Lambda function: the entry point that is called and its limits."""

    handler: str
    name: str
    timeout: float = API_TIMEOUT
    memory: int = 128

    @cached_property
    def prefix(self) -> bytes:
        """The part of a message to a worker that is the same for every event."""
        fields = {
            "handler": self.handler,
            "function": self.name,
            "timeout": self.timeout,
            "memory": str(self.memory),
        }
        return json.dumps(fields)[:-1].encode()


@dataclass(frozen=True)
class Schedule:
    """A function that runs at a rate."""

    name: str
    expression: str
    function: Function


@dataclass(frozen=True)
class Registered:
    """Everything of the app that an event can reach."""

    api: Function
    routes: dict[str, dict[str, dict[str, str] | None]]
    sockets: dict[str, Function]
    functions: dict[str, Function]
    schedules: list[Schedule]
    queues: list[str]


def read_config(folder: Path, stage: str) -> dict[str, Any]:
    """The values of a stage in .chalice/config.json over those that hold for all stages.

    Without such a stage those of `dev` hold.
    """
    path = folder / ".chalice" / "config.json"
    if not path.exists():
        return {}
    config: dict[str, Any] = json.loads(path.read_text())
    stages = config.pop("stages", {})
    return {**config, **stages.get(stage, stages.get("dev", {}))}


def registered(description: dict[str, Any], config: dict[str, Any]) -> Registered:
    """Combine a worker's description of the app with the configuration of a stage."""
    given = config.get("lambda_functions", {})

    def function(handler: str, name: str, default: float) -> Function:
        own = given.get(name, {})
        timeout = own.get("lambda_timeout", config.get("lambda_timeout", default))
        memory = own.get("lambda_memory_size", config.get("lambda_memory_size", 128))
        return Function(handler, name, float(timeout), int(memory))

    return Registered(
        api=function("app.app", "api_handler", API_TIMEOUT),
        routes=description["routes"],
        sockets={
            route: function(handler, _SOCKET_NAMES[route], API_TIMEOUT)
            for route, handler in description["sockets"].items()
        },
        functions={
            name: function(handler, name, DEFAULT_TIMEOUT)
            for handler, name in description["functions"].items()
        },
        schedules=[
            Schedule(
                item["name"],
                item["expression"],
                function(item["handler"], item["name"], DEFAULT_TIMEOUT),
            )
            for item in description["schedules"]
        ],
        queues=description["queues"],
    )
