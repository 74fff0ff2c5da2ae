"""A gateway that posts to the stand-in for @connections."""

import threading
from collections.abc import Iterator

import pytest

from chalicelib.live.connections import Connections
from chalicelib.live.gateway import Gateway
from tests.contract.live.gateway.management import Management
from tests.unit.settings import settings


@pytest.fixture
def management() -> Iterator[Management]:
    management = Management()
    threading.Thread(target=management.serve_forever, args=(0.01,), daemon=True).start()
    yield management
    management.shutdown()
    management.server_close()


@pytest.fixture
def gateway(management: Management, connections: Connections) -> Gateway:
    url = f"http://127.0.0.1:{management.server_port}/api"
    return Gateway(settings(ws_endpoint_url=url), connections=connections)
