"""An admin, a user, and what they do with programs."""

from typing import Any

import pytest

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.identity import Identity
from chalicelib.oauth.clients.registration import (
    ClientChanges,
    ClientInfo,
    ClientQuery,
    RegisteredClient,
)
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.conftest import Provider


@pytest.fixture
def admin(provider: Provider) -> Identity:
    return provider.world.identity(provider.world.staff("admin"))


@pytest.fixture
def ana(provider: Provider) -> SignedIn:
    return provider.world.register()


def change(provider: Provider, admin: Identity, client_id: str, **changes: Any) -> ClientInfo:
    given = ClientChanges.model_validate(changes)
    return provider.clients.update(admin, PHONE, client_id, given)


def rotate(provider: Provider, admin: Identity, program: RegisteredClient) -> RegisteredClient:
    return provider.clients.rotate_secret(admin, PHONE, program.client_id)


def refresh(provider: Provider, program: RegisteredClient, token: str, **more: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return provider.post("token", program, PHONE, **form)


def works(provider: Provider, program: RegisteredClient, secret: str | None = None) -> bool:
    """Whether a secret of a program is valid."""
    shown = {"client_secret": secret} if secret else {}
    outcome = provider.post("introspect", program, PHONE, token="x", **shown)
    return outcome.error is None


def info(provider: Provider, program: RegisteredClient) -> ClientInfo:
    items = provider.clients.list(ClientQuery()).items
    return next(one for one in items if one.client_id == program.client_id)
