"""S3: SeaweedFS, which really checks presigned URLs. It knows the keys of its state folder.

Its parts talk to each other over ports of this machine, and would show every file to any process.
So they authenticate each other by a certificate, and refuse everybody else.
"""

import http.client
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from local import keys
from local.servers.embedded import ANSWER_WITHIN, PACKAGES, Embedded, Report, write_secret

PARTS = ("master", "volume", "filer")
_COMMON = [
    *["-s3=true", "-s3.autoCreateBucket=true", "-s3.port.iceberg=0", "-s3.port.lance=0"],
    *["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-disableHttp", "-filer.disableHttp"],
]
_PAIR = 'cert = "{file}"\nkey = "{file}"\n'


class S3(Embedded):
    name = "S3"
    folder = "s3"
    # With another signal its parts wait 15 s for each other. Acknowledged data is on disk.
    stop_signal = signal.SIGKILL
    variable = "EXPORTS_URL"
    image = "chrislusf/seaweedfs:4.48"
    image_port = 8333
    image_data = "/data"

    def __init__(self, state: Path, report: Report, *, lock: int) -> None:
        super().__init__(state, report, lock=lock)
        self._secrets = self.secrets(state)
        self._ports_of_parts = {
            f"{part}.port{kind}": self.choose_port(f"S3's {part}{kind}")
            for part in PARTS
            for kind in ("", ".grpc")
        } | {"s3.port.grpc": self.choose_port("S3's own.grpc")}

    @classmethod
    def url_at(cls, port: int, state: Path) -> str:
        return f"http://127.0.0.1:{port}"

    @classmethod
    def image_command(cls, state: Path) -> str | None:
        # Only S3 itself uses its other parts: they stay on the container's loopback.
        return " ".join(["server", "-dir=/data", *_COMMON, "-s3.ip.bind=0.0.0.0"])

    @staticmethod
    def check(url: str) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_WITHIN)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status != http.HTTPStatus.OK:
                raise ConnectionError("it is not ready")
        finally:
            connection.close()

    @classmethod
    def secrets(cls, state: Path) -> Mapping[str, str]:
        known = keys.aws(state / "keys")
        return {"AWS_ACCESS_KEY_ID": known.access_key, "AWS_SECRET_ACCESS_KEY": known.secret_key}

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self._secrets}

    def prepare(self) -> None:
        file = keys.certificate(self.state / "keys")
        write_secret(self.data / "security.toml", _security(file))

    def command(self) -> list[str]:
        server = [str(PACKAGES / "bin/weed"), "-logtostderr=true", "server", f"-dir={self.data}"]
        ports = [f"-s3.port={self.port}"]
        ports += [f"-{name}={port}" for name, port in self._ports_of_parts.items()]
        small = ["-master.volumeSizeLimitMB=64", "-volume.max=0", "-master.telemetry=false"]
        # Start as leader, so that a restart takes 3 s.
        alone = ["-master.electionTimeout=1s", "-master.heartbeatInterval=200ms"]
        return [*server, *ports, *small, *alone, *_COMMON]


def _security(file: Path) -> str:
    """What SeaweedFS finds in the folder that it runs in."""
    pair, authority = _PAIR.format(file=file), f'ca = "{file}"\n'
    sections = [f"[grpc]\n{authority}", f"[https.client]\nenabled = true\n{authority}{pair}"]
    sections += [f"[grpc.{part}]\n{pair}" for part in (*PARTS, "s3", "client")]
    sections += [f"[https.{part}]\n{authority}{pair}" for part in PARTS]
    return "".join(sections)
