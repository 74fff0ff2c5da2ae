"""MongoDB: a real one where given or in Docker, else SecantusDB, which speaks its protocol."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pymongo

from local.servers.embedded import ANSWER_WITHIN, PACKAGES, Embedded, ServerUnavailable

USER = "parley"
PREPARED_WITHIN = 60
_ADD_USER = """
import sys
from secantus.auth import SCRAM_SHA_256, derive_credentials
from secantus.storage import Storage

files, user = sys.argv[1:]
roles = ("readWriteAnyDatabase", "dbAdminAnyDatabase")
account = {
    "_id": f"admin.{user}",
    "user": user,
    "db": "admin",
    "credentials": derive_credentials(sys.stdin.read(), mechanism=SCRAM_SHA_256).to_doc(),
    "roles": [{"role": role, "db": "admin"} for role in roles],
    "mechanisms": [SCRAM_SHA_256],
}
storage = Storage(files)
storage.add_user("admin", user, account)
storage.close()
"""
"""The server lets anybody make the first user. So ours is made before it listens."""


class Mongo(Embedded):
    name = "MongoDB"
    folder = "mongo"
    variable = "MESSAGES_URL"
    image = "mongo:8"
    image_port = 27017
    image_data = "/data/db"

    @classmethod
    def url_at(cls, port: int, state: Path) -> str:
        account = f"{USER}:{cls.password(state)}"
        return f"mongodb://{account}@127.0.0.1:{port}/parley?authSource=admin&directConnection=true"

    @classmethod
    def secrets(cls, state: Path) -> Mapping[str, str]:
        names = ("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD")
        return dict(zip(names, (USER, cls.password(state)), strict=True))

    @staticmethod
    def check(url: str) -> None:
        wait = ANSWER_WITHIN * 1000
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=wait, connectTimeoutMS=wait, socketTimeoutMS=wait
        )
        with client:
            client.admin.command("ping")

    def prepare(self) -> None:
        (self.data / "secantusd.toml").touch()  # or it would read the user's own file
        mark = self.data / "has-user"
        if mark.exists():
            return
        made = subprocess.run(
            [PACKAGES / "bin/python", "-c", _ADD_USER, self.data / "files", USER],
            cwd=self.data,
            env=self.environment(),
            input=self.password(self.state),
            capture_output=True,
            text=True,
            timeout=PREPARED_WITHIN,
            check=False,
        )
        if made.returncode:
            raise ServerUnavailable(f"MongoDB cannot make its user:\n{made.stderr.strip()}")
        mark.touch()

    def command(self) -> list[str]:
        configuration = ["--config", str(self.data / "secantusd.toml")]
        server = [str(PACKAGES / "bin/python"), "-m", "secantus", *configuration]
        files = ["--storage-path", str(self.data / "files"), "--cache-size", "256M"]
        listen = [
            "--auth",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--log-level",
            "WARNING",
        ]
        return [*server, *files, *listen]
