"""`python -m local services` and `chalice local`."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from local.options import ROOT
from tests.local.cloud.process import START_SECONDS, Start, exported
from tests.local.stack import eventually


def test_services_keep_what_chalice_local_needs(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    services = start("--http-port", str(port), command="services")
    eventually(lambda: "Ctrl-C stops" in services.output, START_SECONDS)

    environment = exported(services.state / "services.env")

    assert environment["ISSUER"] == f"http://127.0.0.1:{port}"
    assert str(services.state / "services.env") in services.output
    secrets = [environment[name] for name in ("JWT_KEYS", "AWS_SECRET_ACCESS_KEY")]
    secrets += [urlsplit(environment[name]).password or "" for name in ("POSTGRES_URL", "AMQP_URL")]
    assert [secret for secret in secrets if not secret or secret in services.output] == []
    assert (services.state / "services.env").stat().st_mode & 0o777 == 0o600
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is left to `chalice local`
    api = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=environment["WS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    with pytest.raises(ClientError, match="GoneException"):
        api.post_to_connection(ConnectionId="nobody=", Data=b"x")
    assert httpx.post(environment["FCM_URL"].format("parley-local")).status_code == 401

    services.popen.send_signal(signal.SIGINT)
    assert services.ends() == 0
    assert services.left_behind() == []
    assert not (services.state / "services.env").exists()


def test_chalice_local_serves_http_as_the_guide_says(start: Start) -> None:
    """The line of CONTRIBUTING, with the state folder and the port of this test."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    services = start("--http-port", str(port), command="services", app=ROOT)
    eventually(lambda: "Ctrl-C stops" in services.output, START_SECONDS)
    url = f"http://127.0.0.1:{port}"
    (line,) = re.findall(r"in another terminal: (.*)", (ROOT / "CONTRIBUTING.md").read_text())
    # What this test does not read from CONTRIBUTING it reads from the terminal.
    assert f"local --no-autoreload --port {port}" in services.output
    command = line.replace(".local/services.env", str(services.state / "services.env"))
    chalice = subprocess.Popen(
        ["sh", "-c", f"{command} --port {port}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    moving = ROOT / ".local" / f"moving-{port}"
    moving.parent.mkdir(exist_ok=True)
    try:

        def served() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{url}/v1/health").status_code == 200
            return False

        eventually(served, START_SECONDS)
        ready = httpx.get(f"{url}/v1/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        account = {"email": "ana@example.org", "username": "ana", "display_name": "Ana"}
        made = httpx.post(
            f"{url}/v1/auth/register", json={**account, "password": "correct horse battery 42"}
        )
        assert made.status_code == 201
        token = made.json()["access_token"]
        me = httpx.get(f"{url}/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["username"] == "ana"
        assert httpx.get(f"{url}/v1/users/me").status_code == 401
        for number in range(30):
            moving.write_text(str(number))  # as the servers' data do all the time
            time.sleep(0.1)  # Chalice would look once a second
            assert httpx.get(f"{url}/v1/health").status_code == 200
    finally:
        moving.unlink(missing_ok=True)
        os.killpg(chalice.pid, signal.SIGTERM)
        chalice.wait(10)
