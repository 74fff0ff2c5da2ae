"""Programs of others: how they are registered, listed, changed and deleted."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from chalicelib.admin.models import Action
from chalicelib.clock import NOW
from chalicelib.errors import NoSecret, NotFound, Unavailable, ValidationFailed
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.oauth.models import OAuthClient, digest
from chalicelib.oauth.registration import (
    ClientChanges,
    ClientInfo,
    ClientPage,
    ClientQuery,
    NewClient,
    RegisteredClient,
    check_fits,
)
from chalicelib.text.sentences import of_raised
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.admin.service import Admin
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.oauth.consents import ConsentStore
    from chalicelib.oauth.edit_store import EditStore
    from chalicelib.oauth.store import ClientStore

CONSENT_BATCH = 1000
CONSENT_BATCHES = 20

BOTH_GOOD = timedelta(days=7)
"""How long a secret stays good that was replaced, unless an admin ends it before."""


class Clients:
    """Acts of admins raise Forbidden if the caller is not an admin, or not any more."""

    def __init__(
        self,
        *,
        store: "ClientStore",
        consents: "ConsentStore",
        edits: "EditStore",
        admin: "Admin",
        auth: "Auth",
    ) -> None:
        self._store = store
        self._consents = consents
        self._edits = edits
        self._admin = admin
        self._auth = auth

    def register(self, identity: Identity, client: Source, new: NewClient) -> RegisteredClient:
        """Register a program. Its secret, if it gets one, is answered here and never again."""
        return self._register(identity, client.address, new)

    def install(self, new: NewClient) -> RegisteredClient:
        """Like `register`, by an operator's command."""
        return self._register(None, None, new)

    def list(self, query: ClientQuery) -> ClientPage:
        """Programs, newest first, page by page."""
        found = self._store.clients(before=query.cursor, limit=query.limit + 1)
        infos = [one.info for one in found]
        return ClientPage.of(infos, query.limit, lambda one: one.client_id)

    def update(
        self, identity: Identity, client: Source, client_id: str, changes: ClientChanges
    ) -> ClientInfo:
        """Change what was sent of a program, from its next request on.

        Scopes that it loses are missing from tokens that are refreshed. Raises NotFound, and
        ValidationFailed if what comes out does not go together.
        """
        sent = changes.model_dump(include=changes.model_fields_set)
        if "scopes" in sent:
            sent["scopes"] = list(dict.fromkeys(sent["scopes"]))
        with self._act(identity, client, "client.update", client_id) as found:
            changed = replace(found, **sent)
            try:
                check_fits(changed)
            except PydanticCustomError as error:
                raise ValidationFailed([of_raised("", error)]) from None
            self._edits.update(changed)
        return changed.info

    def rotate_secret(self, identity: Identity, client: Source, client_id: str) -> RegisteredClient:
        """Give a program a new secret, which is answered here and never again. The one until now
        stays good for BOTH_GOOD. Raises NotFound, NoSecret.

        A program has two at most. If nobody has shown the newer one yet, as when its answer was
        lost, a new one takes its place, and the older stays good.
        """
        secret = secrets.token_urlsafe(32)
        with self._act(identity, client, "client.secret", client_id) as found:
            if not found.confidential:
                raise NoSecret()
            self._edits.rotate(client_id, digest(secret), kept=BOTH_GOOD, now=NOW)
            rotated = self._store.get(client_id) or found
        return RegisteredClient(**dict(rotated.info), client_secret=secret)

    def end_former_secret(self, identity: Identity, client: Source, client_id: str) -> None:
        """Refuse the secret that was replaced, from now on. Safe to repeat. Raises NotFound."""
        with self._act(identity, client, "client.secret_end", client_id):
            self._edits.end_former(client_id)

    def delete(self, identity: Identity, client: Source, client_id: str) -> None:
        """Refuse a program from now on, and end all that it was granted.

        Raises NotFound; Unavailable if there are more grants or consents than one request can end.
        A repeat ends the rest, as it does after an outage.
        """
        act = self._admin.act_on_client(identity, client.address, "client.delete", client_id)
        with act:
            if not self._store.delete(client_id, NOW):
                raise NotFound()
        if not self._auth.end_grants(client_id) or not self._forgotten(client_id):
            raise Unavailable("postgres")

    @contextmanager
    def _act(
        self, identity: Identity, client: Source, action: Action, client_id: str
    ) -> Iterator[OAuthClient]:
        """The program that an admin acts on. Only one act runs at a time, so it stays as it is."""
        with self._admin.act_on_client(identity, client.address, action, client_id):
            found = self._store.get(client_id)
            if found is None:
                raise NotFound()
            yield found

    def _forgotten(self, client_id: str) -> bool:
        """Forget what users agreed to, in bounded batches. False: there is more."""
        for _ in range(CONSENT_BATCHES):
            if self._consents.forget_program(client_id, CONSENT_BATCH) < CONSENT_BATCH:
                return True
        return False

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
