"""Nobody gets into the servers without their passwords."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pika
import psutil
import psycopg
import pymongo
import pytest
import redis

from chalicelib.drivers.sigv4 import Signer
from local import keys
from local.servers import Servers, start_all
from local.servers.rabbitmq import RabbitMQ
from tests.local.servers.conftest import ALL, Start


@pytest.fixture(scope="module")
def all_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with start_all(tmp_path_factory.mktemp("strangers"), ALL, print, given={}) as servers:
        yield servers


@pytest.fixture(scope="module")
def export(all_servers: Servers) -> str:
    """The path of a file that lies in S3."""
    url = all_servers["s3"].url
    known = keys.aws(state_of(all_servers) / "keys")
    signer = Signer(
        "s3",
        "us-east-1",
        access_key=known.access_key,
        secret_key=known.secret_key,
        token=None,
    )
    path = "/exports/ana.zip"
    query = signer.query("PUT", urlsplit(url).netloc, path, {}, seconds=60)
    assert httpx.put(f"{url}{path}?{query}", content=b"her messages").status_code == 200
    query = signer.query("GET", urlsplit(url).netloc, path, {}, seconds=60)
    assert httpx.get(f"{url}{path}?{query}").content == b"her messages"
    return path


class TestStrangers:
    """All that can reach the ports: other accounts of the machine, and pages in a browser."""

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_see_nothing_at_any_port_of_s3(
        self, all_servers: Servers, export: str, scheme: str
    ) -> None:
        ports = listening(all_servers.pids()["s3"])
        assert len(ports) >= 8
        paths = [f"/buckets{export}", export, "/", "/dir/status", "/dir/assign", "/vol/status"]
        for port in ports:
            for path in [*paths, "/status", "/cluster/status", "/ui/index.html", "/1,01"]:
                try:
                    answer = httpx.get(
                        f"{scheme}://127.0.0.1:{port}{path}",
                        headers={"Origin": "https://evil.example"},
                        verify=False,
                    )
                except httpx.TransportError:
                    continue
                said = (port, path, answer.status_code, answer.text)
                assert b"her messages" not in answer.content, said
                healthy = urlsplit(all_servers["s3"].url).port == port and not answer.content
                assert healthy or answer.status_code >= 400, said

    @pytest.mark.parametrize("kind", ["postgres", "mongo", "redis", "rabbitmq"])
    @pytest.mark.parametrize("account", ["", "{user}:wrong@", "guest:guest@", "postgres:postgres@"])
    def test_do_not_get_in_without_the_password(
        self, all_servers: Servers, kind: str, account: str
    ) -> None:
        parts = urlsplit(all_servers[kind].url)
        host = f"{account.format(user=parts.username)}127.0.0.1:{parts.port}"

        with pytest.raises(REFUSALS):
            try_out(kind, parts._replace(netloc=host).geturl())

        try_out(kind, all_servers[kind].url)

    def test_find_no_password_in_a_command_line_or_a_file(self, all_servers: Servers) -> None:
        passwords = {urlsplit(all_servers[kind].url).password for kind in ALL if kind != "s3"}
        assert len(passwords) == 4
        for pid in all_servers.pids().values():
            for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                assert not any(str(password) in str(process.cmdline()) for password in passwords)
        open_to_all = [
            path
            for path in (state_of(all_servers)).iterdir()
            if path.is_dir() and path.stat().st_mode & 0o077 and path.name != "postgres"
        ]
        assert open_to_all == []

    def test_of_the_app_cannot_use_postgresql_as_a_superuser(self, all_servers: Servers) -> None:
        with psycopg.connect(all_servers.env["POSTGRES_URL"], autocommit=True) as connection:
            may = "SELECT rolsuper OR rolcreaterole OR rolreplication FROM pg_roles"
            asked = connection.execute(f"{may} WHERE rolname = current_user")
            assert asked.fetchone() == (False,)
            for statement in (
                "COPY (SELECT 1) TO PROGRAM 'id'",
                "SELECT pg_read_file('/etc/passwd')",
                "CREATE ROLE mine SUPERUSER",
                "ALTER SYSTEM SET listen_addresses = '*'",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)

    def test_of_another_folder_have_other_passwords(
        self, all_servers: Servers, start: Start
    ) -> None:
        assert (
            urlsplit(start("redis")["redis"].url).password
            != urlsplit(all_servers["redis"].url).password
        )


REFUSALS = (
    psycopg.OperationalError,
    pymongo.errors.OperationFailure,
    pymongo.errors.ConfigurationError,
    redis.RedisError,
    pika.exceptions.AMQPError,
)


def state_of(servers: Servers) -> Path:
    return servers._state


def try_out(kind: str, url: str) -> None:
    """Do something that needs a right."""
    if kind == "postgres":
        psycopg.connect(url, connect_timeout=5).close()
    elif kind == "redis":
        with redis.Redis.from_url(url) as connection:
            connection.ping()
    elif kind == "mongo":
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=5000
        )
        with client:
            client.parley.chats.find_one()
    else:
        RabbitMQ.check(url)


def listening(pid: int) -> set[int]:
    """The ports of a process and of those that it started."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {
        connection.laddr.port
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
