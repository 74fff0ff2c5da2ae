"""Connections on a real Redis."""

import pytest
import redis

from chalicelib.live.connections import Connections
from tests.unit.settings import settings


@pytest.fixture
def connections(client: redis.Redis) -> Connections:
    return Connections(client, settings(delivered_within_seconds=1))
