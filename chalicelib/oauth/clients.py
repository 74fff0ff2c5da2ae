"""Programs of others: how they are registered, listed and deleted."""

import secrets
from typing import TYPE_CHECKING

from chalicelib.auth.models import Client, Identity
from chalicelib.clock import NOW
from chalicelib.errors import NotFound, Unavailable
from chalicelib.ids import new_id
from chalicelib.oauth.models import (
    ClientPage,
    ClientQuery,
    NewClient,
    OAuthClient,
    RegisteredClient,
    digest,
)
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.admin.service import Admin
    from chalicelib.auth.service import Auth
    from chalicelib.oauth.store import ClientStore


class Clients:
    """Acts of admins raise Forbidden if the caller is not an admin, or not any more."""

    def __init__(
        self,
        *,
        store: "ClientStore",
        admin: "Admin",
        auth: "Auth",
    ) -> None:
        self._store = store
        self._admin = admin
        self._auth = auth

    def register(self, identity: Identity, client: Client, new: NewClient) -> RegisteredClient:
        """Register a program. Its secret, if it gets one, is answered here and never again."""
        return self._register(identity, client.address, new)

    def install(self, new: NewClient) -> RegisteredClient:
        """Like `register`, by an operator's command."""
        return self._register(None, None, new)

    def list(self, query: ClientQuery) -> ClientPage:
        """Programs, newest first, page by page."""
        found = self._store.clients(before=query.cursor, limit=query.limit + 1)
        items = [one.info for one in found[: query.limit]]
        more = len(found) > query.limit
        return ClientPage(items=items, next=items[-1].client_id if more else None)

    def delete(self, identity: Identity, client: Client, client_id: str) -> None:
        """Refuse a program from now on, and end all that it was granted.

        Raises NotFound; Unavailable if there are more grants than one request can end. A repeat
        ends the rest, as it does after an outage.
        """
        act = self._admin.act_on_client(identity, client.address, "client.delete", client_id)
        with act:
            if not self._store.delete(client_id, NOW):
                raise NotFound()
        if not self._auth.end_grants(client_id):
            raise Unavailable("postgres")

    def _register(
        self, identity: Identity | None, address: str | None, new: NewClient
    ) -> RegisteredClient:
        secret = secrets.token_urlsafe(32) if new.confidential else None
        client = OAuthClient(
            id=new_id(),
            name=new.name,
            secret_digest=digest(secret) if secret else None,
            redirect_uris=new.redirect_uris,
            post_logout_redirect_uris=new.post_logout_redirect_uris,
            scopes=list(dict.fromkeys(new.scopes)),
            created_at=now(),
            require_pkce=new.require_pkce,
            claims_in_id_token=new.claims_in_id_token,
        )
        with self._admin.act_on_client(identity, address, "client.register", client.id):
            self._store.add(client)
        return RegisteredClient(**dict(client.info), client_secret=secret)
