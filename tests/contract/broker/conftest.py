"""Fixtures: RabbitMQ's queues, and our client of it, with a proxy between them or without."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from chalicelib.broker import publisher as module
from chalicelib.broker.publisher import Broker
from chalicelib.broker.topology import declare
from chalicelib.broker.users import BrokerUsers
from local.servers.rabbitmq import program
from tests.contract.broker.managed import Managed, Server
from tests.contract.broker.queues import Queues, address_of, through
from tests.proxy import Proxy


@pytest.fixture
def queues(amqp_url: str) -> Iterator[Queues]:
    declare(amqp_url)
    queues = Queues(amqp_url)
    queues.purge()
    yield queues
    queues.purge()
    queues.connection.close()


@pytest.fixture
def broker(amqp_url: str, queues: Queues) -> Iterator[Broker]:
    with closing(Broker(amqp_url, retry_seconds=(0.1, 0.1, 0.1, 0.1))) as broker:
        yield broker


@pytest.fixture
def proxy(amqp_url: str) -> Iterator[Proxy]:
    with Proxy(*address_of(amqp_url)) as proxy:
        yield proxy


@pytest.fixture
def behind(amqp_url: str, queues: Queues, proxy: Proxy) -> Iterator[Broker]:
    with closing(Broker(through(amqp_url, proxy.port))) as broker:
        yield broker


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 1.5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A RabbitMQ of its own. Skips where it has no management plugin."""
    state = tmp_path_factory.mktemp("managed")
    with (state / "lock").open("w") as lock:
        managed = Managed(state, print, lock=lock.fileno())
        system = program("rabbitmq-server").parents[4]
        if not list(system.glob("usr/lib/rabbitmq/lib/*/plugins/rabbitmq_management-*")):
            pytest.skip("RabbitMQ has no management plugin on this machine")
        managed.start()
        yield Server(managed)
        managed.stop()


@pytest.fixture
def users(server: Server) -> BrokerUsers:
    return BrokerUsers(server.administered(server.admin[1]))


@pytest.fixture
def url(server: Server, users: BrokerUsers) -> str:
    """Where functions are let in."""
    url = server.user(1)
    users.ensure(url)
    return url
