"""A server in a container, where a Docker engine answers on its socket."""

import hashlib
import http.client
import os
import socket
from pathlib import Path
from typing import Any

from local.servers.answers import NoAnswer, wait_for_answer
from local.servers.data import generation
from local.servers.embedded import READY_WITHIN, Embedded, Report, ServerUnavailable
from local.servers.ports import HOST, remembered_port

PING_WITHIN = 2.0


def engine_answers() -> bool:
    """Whether a Docker engine answers. An installed client alone is not enough."""
    named = os.environ.get("DOCKER_HOST", "")
    places = [
        named.removeprefix("unix://"),
        "/var/run/docker.sock",
        os.environ.get("XDG_RUNTIME_DIR", "/run") + "/docker.sock",
    ]
    for place in places[:1] if named else places[1:]:
        if _pong(place):
            os.environ.setdefault("DOCKER_HOST", f"unix://{place}")
            return True
    return False


def _pong(path: str) -> bool:
    connection = http.client.HTTPConnection("localhost", timeout=PING_WITHIN)
    try:
        with socket.socket(socket.AF_UNIX) as pipe:
            pipe.settimeout(PING_WITHIN)
            pipe.connect(path)
            connection.sock = pipe
            connection.request("GET", "/_ping")
            return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


class Container:
    """One server in Docker: start, URL, stop. Its data is a volume that stays."""

    pid = None

    def __init__(self, kind: type[Embedded], state: Path, report: Report) -> None:
        self.name = kind.name
        self.variable = kind.variable
        self._kind = kind
        self._state = state
        self._port = remembered_port(state / "ports.json", kind.name, report)
        checkout = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]
        # The data in a volume has the passwords of its generation.
        self._volume = f"parley-{checkout}-{generation(state)}-{kind.folder}"
        self._container: Any = None

    @property
    def url(self) -> str:
        return self._kind.url_at(self._port, self._state)

    def start(self) -> None:
        """Return when the server answers. Raises ServerUnavailable."""
        from testcontainers.core.container import DockerContainer

        given = {**self._kind.image_environment, **self._kind.secrets(self._state)}
        container = DockerContainer(self._kind.image).with_envs(**given)
        if (command := self._kind.image_command(self._state)) is not None:
            container.with_command(command)
        container.with_volume_mapping(self._volume, self._kind.image_data, "rw")
        # RabbitMQ finds its data by the name of its host.
        container.with_kwargs(hostname=self._kind.folder)
        published: dict[str, Any] = container.ports
        published[f"{self._kind.image_port}/tcp"] = (HOST, self._port)
        self._container = container
        container.start()
        try:
            wait_for_answer(
                lambda: self._kind.check_new(self._port, self._state),
                within=READY_WITHIN,
                pause=0.1,
            )
        except NoAnswer as silence:
            output = b"\n".join(container.get_logs()).decode(errors="replace")
            raise ServerUnavailable(
                f"{self.name} in Docker does not answer ({silence}). Its log says:\n"
                + "\n".join(output.splitlines()[-15:])
            ) from silence.reason
        self._kind.complete(self._port, self._state)

    def stop(self) -> None:
        """Remove the container, keep its volume."""
        if self._container is not None:
            self._container.stop(delete_volume=False)
            self._container = None

    def restart(self) -> None:
        """Stop and start again: same port, same data."""
        self.stop()
        self.start()
