"""What can happen to the servers and workers of a local cloud: they die, or freeze for a while."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from local.servers.group import KINDS
from local.servers.rabbitmq import program as rabbitmq_program
from tests.cloud import Cloud

VARIABLES = {
    "postgres": "POSTGRES_URL",
    "mongo": "MESSAGES_URL",
    "redis": "REDIS_URL",
    "rabbitmq": "AMQP_URL",
    "s3": "EXPORTS_URL",
}
BACK_SECONDS = 60.0
LOOK_EVERY = 0.2


class Stopped(list[int]):
    """Processes that do not run."""

    def resume(self) -> None:
        """SIGCONT, the parent last."""
        for pid in reversed(self):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Trouble:
    """Harms one cloud. Servers that die are started again by the cloud itself."""

    def __init__(self, cloud: Cloud, chance: random.Random) -> None:
        self._cloud = cloud
        self._chance = chance

    @property
    def servers(self) -> Collection[str]:
        """What the cloud runs on."""
        found: dict[str, int] = self._cloud.about["servers"]
        return found.keys()

    @property
    def store(self) -> str:
        """The server that keeps the messages."""
        return "mongo" if "mongo" in self.servers else "postgres"

    async def kill(self, server: str) -> None:
        """kill -9, and wait until another process listens in its place."""
        old = await self._process(server)
        os.kill(old, signal.SIGKILL)
        await self._process(server, but=old)

    async def answers(self, server: str) -> None:
        """Wait until a server answers, asked without any worker."""
        url = self._cloud.about["environment"][VARIABLES[server]]
        async with asyncio.timeout(BACK_SECONDS):
            while True:
                with suppress(Exception):  # each kind has its own; the time-out ends all of them
                    return await asyncio.to_thread(KINDS[server].check, url)
                await asyncio.sleep(LOOK_EVERY)

    async def freeze(self, server: str, seconds: float) -> None:
        """Keep a server from running for some seconds."""
        async with self.suspended(server):
            await asyncio.sleep(seconds)

    @asynccontextmanager
    async def suspended(self, server: str) -> AsyncIterator[None]:
        """Inside the block a server does not run."""
        stopped = await self.stop(server)
        try:
            yield
        finally:
            stopped.resume()

    async def stop(self, server: str) -> "Stopped":
        """SIGSTOP to a server and all its children. The caller resumes them."""
        stopped = Stopped()
        # The parent first: it then starts no child that would be missed.
        for pid in below(await self._process(server)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        return stopped

    async def let_rabbitmq_have(self, disk: str) -> None:
        """RabbitMQ takes messages while so much disk is free, such as 50MB."""
        pid = await self._process("rabbitmq")
        environment = dict(
            pair.split("=", 1)
            for pair in Path(f"/proc/{pid}/environ").read_text().split("\0")
            if pair
        )
        command = [str(rabbitmq_program("rabbitmqctl")), "--node", environment["RABBITMQ_NODENAME"]]
        done = await asyncio.create_subprocess_exec(
            *command,
            "set_disk_free_limit",
            disk,
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await done.wait() == 0

    @contextmanager
    def frozen_workers(self) -> Iterator[None]:
        """Inside the block no worker runs, as Lambda freezes containers between two events."""
        stopped = Stopped(self._cloud.about["workers"])
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            stopped.resume()

    def kill_worker(self) -> None:
        """kill -9 of any one worker, whatever it does at the moment."""
        with suppress(ProcessLookupError):
            os.kill(self._chance.choice(self._cloud.about["workers"]), signal.SIGKILL)

    def kill_workers(self) -> None:
        """kill -9 of all workers at once."""
        for pid in self._cloud.about["workers"]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _process(self, server: str, but: int | None = None) -> int:
        port = urlsplit(self._cloud.about["environment"][VARIABLES[server]]).port
        assert port is not None
        async with asyncio.timeout(BACK_SECONDS):
            while (pid := listener(port)) in (but, None):
                await asyncio.sleep(LOOK_EVERY)
        assert pid is not None
        return pid


def listener(port: int) -> int | None:
    """The process that listens on a local port; of several the one that started the others."""
    wanted = {f"socket:[{inode}]" for inode in _listening(port)}
    if not wanted:
        return None
    holders = {pid for pid in _processes() if not wanted.isdisjoint(_files(pid))}
    return next((pid for pid in holders if _parent(pid) not in holders), None)


def below(pid: int) -> Iterator[int]:
    """A process and all its descendants, parents first."""
    waiting = [pid]
    while waiting:
        yield waiting[0]
        parent = waiting.pop(0)
        waiting += [one for one in _processes() if _parent(one) == parent]


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it ended meanwhile
        return 0


def _files(pid: int) -> Iterator[str]:
    with suppress(OSError):  # it ended meanwhile, or is not ours
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                yield os.readlink(entry.path)


def _listening(port: int) -> Iterator[str]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].partition(":")[2], 16) == port and fields[3] == "0A":  # LISTEN
            yield fields[9]
