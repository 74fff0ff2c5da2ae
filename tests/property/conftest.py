"""The stores that the property is held against."""

from tests.contract.conftest import mongo_url, postgres_url, redis_url, start_server
from tests.contract.messages.store.conftest import (
    connect,
    mongo_at,
    mongo_store_url,
    postgres_at,
    postgres_store_url,
)

__all__ = [
    "connect",
    "mongo_at",
    "mongo_store_url",
    "mongo_url",
    "postgres_at",
    "postgres_store_url",
    "postgres_url",
    "redis_url",
    "start_server",
]
