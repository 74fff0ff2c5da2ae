"""MongoDB: a real one where given or in Docker, else SecantusDB, which speaks its protocol."""

from typing import Any

import pymongo

from local.servers.embedded import ANSWER_WITHIN, PACKAGES, Embedded


class Mongo(Embedded):
    name = "MongoDB"
    folder = "mongo"
    variable = "MESSAGES_URL"
    image = "mongo:8"
    image_port = 27017
    image_data = "/data/db"

    @staticmethod
    def url_at(port: int) -> str:
        return f"mongodb://127.0.0.1:{port}/parley?directConnection=true"

    @staticmethod
    def check(url: str) -> None:
        wait = ANSWER_WITHIN * 1000
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=wait, connectTimeoutMS=wait, socketTimeoutMS=wait
        )
        with client:
            client.admin.command("ping")

    def prepare(self) -> None:
        (self.data / "secantusd.toml").touch()  # else it looks for one of the user's

    def command(self) -> list[str]:
        configuration = ["--config", str(self.data / "secantusd.toml")]
        server = [str(PACKAGES / "bin/python"), "-m", "secantus", *configuration]
        files = ["--storage-path", str(self.data / "files"), "--cache-size", "256M"]
        listen = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "WARNING"]
        return [*server, *files, *listen]
