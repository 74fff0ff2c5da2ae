"""RabbitMQ, and the port mapper that Erlang needs."""

import json
import logging
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pika

from local.bootstrap.machine import HOMEBREW
from local.servers.embedded import (
    ANSWER_WITHIN,
    ROOT,
    Embedded,
    Guarded,
    Report,
    ServerUnavailable,
    write_secret,
)

MAPPER_WITHIN = 10.0

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
log.file = false
log.console = true
log.console.level = warning
load_definitions = {definitions}
"""
USER = "parley"


class RabbitMQ(Embedded):
    name = "RabbitMQ"
    folder = "rabbitmq"
    variable = "AMQP_URL"
    image = "rabbitmq:4"
    image_port = 5672
    image_data = "/var/lib/rabbitmq"
    plugins: ClassVar[tuple[str, ...]] = ()

    def __init__(self, state: Path, report: Report, *, lock: int) -> None:
        super().__init__(state, report, lock=lock)
        self._mapper_port = self.choose_port("RabbitMQ's port mapper")
        self._node_port = self.choose_port("RabbitMQ's node")
        self._mapper: Guarded | None = None

    @classmethod
    def url_at(cls, port: int, state: Path) -> str:
        return f"amqp://{USER}:{cls.password(state)}@127.0.0.1:{port}/%2F"

    @classmethod
    def secrets(cls, state: Path) -> Mapping[str, str]:
        return {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": cls.password(state)}

    @staticmethod
    def check(url: str) -> None:
        parameters = pika.URLParameters(url)
        parameters.socket_timeout = ANSWER_WITHIN
        parameters.stack_timeout = parameters.blocked_connection_timeout = ANSWER_WITHIN
        # pika logs each failure, so first look whether anybody listens.
        socket.create_connection((parameters.host, parameters.port), ANSWER_WITHIN).close()
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        pika.BlockingConnection(parameters).close()

    def environment(self) -> dict[str, str]:
        files = {
            "RABBITMQ_CONFIG_FILE": "rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": "mnesia",
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_GENERATED_CONFIG_DIR": "generated",
        }
        common = super().environment()
        erlang = _erlang() / "bin"
        return (
            common
            | {name: str(self.data / file) for name, file in files.items()}
            | {
                "PATH": f"{erlang}:{common['PATH']}",
                "RABBITMQ_CONF_ENV_FILE": "/dev/null",
                "RABBITMQ_NODENAME": "parley@localhost",
                "RABBITMQ_DIST_PORT": str(self._node_port),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                    "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
                ),
                "RUNNING_UNDER_SYSTEMD": "true",  # the launcher then becomes the server
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "ERL_EPMD_PORT": str(self._mapper_port),
            }
        )

    def prepare(self) -> None:
        definitions = self.data / "definitions.json"
        write_secret(definitions, json.dumps(_definitions(self.password(self.state))))
        configuration = CONFIGURATION.format(port=self.port, definitions=definitions)
        (self.data / "rabbitmq.conf").write_text(configuration)
        (self.data / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n")
        _install(self.data / "installation", self.plugins)
        if self._mapper and self._mapper.running:
            return
        # The server would start its own, which never ends.
        mapper = str(next(iter(sorted(_erlang().glob("erts-*/bin/epmd"))), "epmd"))
        port = str(self._mapper_port)
        self._mapper = self.spawn([mapper, "-address", "127.0.0.1", "-port", port])
        self._wait_for_mapper(self._mapper)

    def command(self) -> list[str]:
        return [str(self.data / "installation/sbin/rabbitmq-server")]

    def stop(self) -> None:
        super().stop()
        if self._mapper:
            self._mapper.stop()

    def _wait_for_mapper(self, mapper: Guarded) -> None:
        deadline = time.monotonic() + MAPPER_WITHIN
        while mapper.running and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._mapper_port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        mapper.stop()
        raise ServerUnavailable(f"RabbitMQ's port mapper does not start:\n{self.log_tail()}")


def _definitions(password: str) -> dict[str, Any]:
    """One user that may use the virtual host, and not the well-known guest."""
    rights = dict.fromkeys(("configure", "write", "read"), ".*")
    return {
        "users": [{"name": USER, "password": password, "tags": ""}],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": USER, "vhost": "/", **rights}],
    }


def _install(folder: Path, plugins: Iterable[str]) -> None:
    """Make an installation folder for RabbitMQ with only these plugins.

    Erlang looks for each of a thousand modules in the folder of each plugin that is there.
    Without the unused plugins, RabbitMQ needs a third less work to start.
    """
    whole = program("rabbitmq-server").resolve().parents[1]
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "plugins").mkdir(parents=True)
    # It finds its installation by its own path, in which `..` goes back over this link.
    (folder / "sbin").symlink_to(whole / "sbin")
    for library in _libraries(whole / "plugins", ["rabbit", *plugins]):
        (folder / "plugins" / library.name).symlink_to(library)


def _libraries(folder: Path, names: Iterable[str]) -> set[Path]:
    """These libraries of a folder, and the libraries that they need."""
    found: dict[str, Path] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        about = next(folder.glob(f"{name}-[0-9]*/ebin/{name}.app"), None)
        if name in found or about is None:  # the others are Erlang's own
            continue
        found[name] = about.parents[1]
        for needed in re.findall(r"applications,\s*\[(.*?)\]", about.read_text(), re.DOTALL):
            wanted += re.findall(r"\w+", needed)
    return set(found.values())


def program(name: str) -> Path:
    """One of RabbitMQ's own programs."""
    homebrew = _homebrew()
    if homebrew is not None:
        return homebrew / "opt/rabbitmq/sbin" / name
    return _system() / "usr/lib/rabbitmq/bin" / name


def _erlang() -> Path:
    homebrew = _homebrew()
    return homebrew / "opt/erlang/lib/erlang" if homebrew else _system() / "usr/lib/erlang"


def _homebrew() -> Path | None:
    """Where Homebrew is, if RabbitMQ comes from there. Not tried yet."""
    if sys.platform != "darwin":
        return None
    return next((each for each in HOMEBREW if (each / "opt/rabbitmq").exists()), None)


def _system() -> Path:
    """Where Debian's packages are: installed, or unpacked for this checkout."""
    installed = Path("/")
    return installed if (installed / "usr/lib/rabbitmq").exists() else ROOT / ".local/debian"
