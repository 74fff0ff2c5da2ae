"""Settings that name no real server."""

import json
from typing import Any

from chalicelib.config import Settings

ENVIRONMENT = {
    "POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
    "MESSAGES_URL": "mongodb://127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1",
    "AMQP_URL": "amqp://127.0.0.1:1",
    "ISSUER": "http://127.0.0.1:8000",
    "WS_URL": "ws://127.0.0.1:8001",
    "WS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "JWT_KEYS": "{}",
    "FCM_CREDENTIALS": "{}",
}


def settings(**changes: Any) -> Settings:
    """Settings with some changed."""
    given = {
        name.upper(): json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in changes.items()
    }
    return Settings.load({**ENVIRONMENT, **given})


def settings_without(*names: str, **changes: Any) -> Settings:
    """Settings of a function that was not given all."""
    given = {name.upper(): str(value) for name, value in changes.items()}
    left = {name: value for name, value in ENVIRONMENT.items() if name not in names}
    return Settings.load({**left, **given})


def rates(sizes: dict[str, int], seconds: int = 900) -> dict[str, dict[str, tuple[int, int]]]:
    """Buckets of other sizes, by "class.kind", for the setting `rate_limits`."""
    changes: dict[str, dict[str, tuple[int, int]]] = {}
    for name, size in sizes.items():
        limit, kind = name.split(".")
        changes.setdefault(limit, {})[kind] = (size, seconds)
    return changes
