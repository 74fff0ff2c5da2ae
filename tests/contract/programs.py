"""What the contract tests of programs share."""

from dataclasses import dataclass
from typing import Any, Self

from chalicelib.drivers.postgres import Postgres
from chalicelib.ids import new_id
from chalicelib.oauth.clients.models import OAuthClient, digest
from chalicelib.oauth.clients.store import ClientStore
from chalicelib.oauth.consents.store import ConsentStore
from tests.contract.accounts import NOW, Stores, fake, real
from tests.unit.auth.fake_tables import Tables
from tests.unit.oauth.fakes import FakeClientStore, FakeConsentStore


def program(**changes: Any) -> OAuthClient:
    good = {
        "id": new_id(),
        "name": "Böard",
        "secret_digest": digest("secret"),
        "redirect_uris": ["https://program.example/back"],
        "post_logout_redirect_uris": [],
        "scopes": ["openid", "chats.read"],
        "created_at": NOW,
    }
    return OAuthClient(**{**good, **changes})


@dataclass
class ProgramStores(Stores):
    """All stores over the same tables."""

    clients: ClientStore
    consents: ConsentStore

    @classmethod
    def over(cls, postgres: Postgres) -> Self:
        return cls(
            *real(postgres),
            ClientStore(postgres),
            ConsentStore(postgres),
        )

    @classmethod
    def fakes(cls) -> Self:
        tables, clients = Tables(), FakeClientStore()
        return cls(
            *fake(tables),
            clients,
            FakeConsentStore(tables, clients),
        )
