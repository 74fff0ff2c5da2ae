"""A local cloud whose functions, and nothing else in it, reach all servers through proxies.

As a program it is the local cloud itself. `PROXIES` names the port that takes the place of the
address in each setting.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from local.functions.pool import WorkerPool
from tests.cloud import Cloud
from tests.faults.conftest import warm
from tests.faults.lossy import LossyProxy

SETTINGS = {
    "postgres": "POSTGRES_URL",
    "messages": "MESSAGES_URL",
    "redis": "REDIS_URL",
    "rabbitmq": "AMQP_URL",
    "s3": "EXPORTS_URL",
    "gateway": "WS_ENDPOINT_URL",
    "fcm": "FCM_URL",
    "ses": "MAIL_URL",
}
"""What leads a function to each server. FCM's credentials lead to that of FCM too."""


class CloudBehindProxies(Cloud):
    """`proxies` by the names in SETTINGS. Where messages are in PostgreSQL too, those to
    "messages" go the same way as the others to PostgreSQL."""

    command = (sys.executable, "-m", "tests.faults.behind")

    def __init__(self, state: Path, *options: str, **environment: str) -> None:
        self.proxies = {name: LossyProxy() for name in SETTINGS}
        ports = {SETTINGS[name]: proxy.port for name, proxy in self.proxies.items()}
        super().__init__(state, *options, PROXIES=json.dumps(ports), **environment)

    def start(self) -> Self:
        super().start()
        for name, proxy in self.proxies.items():
            proxy.lead_to(self.about["environment"][SETTINGS[name]])
        return self

    def stop(self) -> None:
        super().stop()
        for proxy in self.proxies.values():
            proxy.close()


class Clouds:
    """One such cloud at a time. Tests that share a store follow each other."""

    def __init__(self, folders: Callable[[str], Path], *options: str, **environment: str) -> None:
        self._folders = folders
        self._options = options
        self._environment = environment
        self._store = ""
        self._cloud: CloudBehindProxies | None = None

    def on(self, store: str) -> CloudBehindProxies:
        """The cloud that keeps its messages there; started if another one runs, or none."""
        if self._cloud is None or self._store != store:
            self.stop()
            options = ["--messages", store, *self._options]
            self._cloud = CloudBehindProxies(self._folders("cloud"), *options, **self._environment)
            self._store = store
            self._cloud.start()
            asyncio.run(warm(self._cloud))
        return self._cloud

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the cloud that runs."""
        if self._cloud is not None:
            self._cloud.stop()
            self._cloud = None


def main() -> None:
    """The local cloud, whose workers use the proxies."""
    from local.__main__ import main as run
    from local.cloud import serving

    ports: dict[str, int] = json.loads(os.environ["PROXIES"])

    class Pool(WorkerPool):
        def __init__(self, *, environment: dict[str, str], **more: Any) -> None:
            super().__init__(environment=_through(ports, environment), **more)

    vars(serving)["WorkerPool"] = Pool
    run()


def _through(ports: dict[str, int], environment: dict[str, str]) -> dict[str, str]:
    led = dict(environment)
    for setting, port in ports.items():
        real = urlsplit(environment[setting]).netloc.rpartition("@")[2]
        led = {name: value.replace(real, f"127.0.0.1:{port}") for name, value in led.items()}
    return led


if __name__ == "__main__":
    main()
