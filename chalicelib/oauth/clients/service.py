"""How admins register, list, change and delete programs."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from chalicelib.admin.models import Action
from chalicelib.clock import NOW
from chalicelib.errors import NoSecret, NotFound, ValidationFailed
from chalicelib.errors.counted import unavailable
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.oauth.clients.models import OAuthClient, digest
from chalicelib.oauth.clients.registration import (
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
    from chalicelib.oauth.clients.store import ClientStore
    from chalicelib.oauth.consents.store import ConsentStore

CONSENT_BATCH = 1000
CONSENT_BATCHES = 20

BOTH_GOOD = timedelta(days=7)
"""How long the former secret stays valid, unless an admin ends it before."""


class Clients:
    """Methods that take an `identity` raise Forbidden if it is not an admin's, or no longer."""

    def __init__(
        self,
        *,
        store: "ClientStore",
        consents: "ConsentStore",
        admin: "Admin",
        auth: "Auth",
    ) -> None:
        self._store = store
        self._consents = consents
        self._admin = admin
        self._auth = auth

    def register(self, identity: Identity, source: Source, new: NewClient) -> RegisteredClient:
        """Register a program. Only this answer contains its secret, if it has one."""
        return self._register(identity, source.address, new)

    def install(self, new: NewClient) -> RegisteredClient:
        """Like `register`, for an operator's command."""
        return self._register(None, None, new)

    def list(self, query: ClientQuery) -> ClientPage:
        """Programs, newest first, page by page."""
        found = self._store.clients(before=query.cursor, limit=query.limit + 1)
        infos = [ClientInfo.of(one) for one in found]
        return ClientPage.of(infos, query.limit, lambda one: one.client_id)

    def update(
        self, identity: Identity, source: Source, client_id: str, changes: ClientChanges
    ) -> ClientInfo:
        """Change the fields that were sent. The program's next request sees the change.

        If it loses scopes, its next tokens do not have them. Raises NotFound, and ValidationFailed
        if the result does not fit together.
        """
        sent = changes.model_dump(include=changes.model_fields_set)
        if "scopes" in sent:
            sent["scopes"] = list(dict.fromkeys(sent["scopes"]))
        with self._act(identity, source, "client.update", client_id) as found:
            changed = replace(found, **sent)
            try:
                check_fits(changed)
            except PydanticCustomError as error:
                raise ValidationFailed([of_raised("", error)]) from None
            self._store.update(changed)
        return ClientInfo.of(changed)

    def rotate_secret(self, identity: Identity, source: Source, client_id: str) -> RegisteredClient:
        """Give a program a new secret. Only this answer contains it. The current secret stays valid
        for BOTH_GOOD. Raises NotFound, and NoSecret for a public program.

        A program has at most two secrets. If nobody has used the newer one yet, perhaps because its
        answer was lost, the new one replaces it and the older one stays valid.
        """
        secret = secrets.token_urlsafe(32)
        with self._act(identity, source, "client.secret", client_id) as found:
            if not found.confidential:
                raise NoSecret()
            self._store.rotate(client_id, digest(secret), kept=BOTH_GOOD, now=NOW)
            rotated = self._store.get(client_id) or found
        return RegisteredClient.of(rotated, client_secret=secret)

    def end_former_secret(self, identity: Identity, source: Source, client_id: str) -> None:
        """End the former secret. Safe to repeat. Raises NotFound."""
        with self._act(identity, source, "client.secret_end", client_id):
            self._store.end_former(client_id)

    def delete(self, identity: Identity, source: Source, client_id: str) -> None:
        """Delete a program, and end its sessions and the consents of its users.

        Raises NotFound; Unavailable if there are more sessions or consents than one request can
        end. A repeat ends the rest, also after an outage.
        """
        act = self._admin.act_on_client(identity, source.address, "client.delete", client_id)
        with act:
            if not self._store.delete(client_id, NOW):
                raise NotFound()
        if not self._auth.end_sessions_of_client(client_id) or not self._forget_consents(client_id):
            raise unavailable("postgres")

    @contextmanager
    def _act(
        self, identity: Identity, source: Source, action: Action, client_id: str
    ) -> Iterator[OAuthClient]:
        """The program that an admin acts on. Only one act runs at a time, so nothing else changes
        the program."""
        with self._admin.act_on_client(identity, source.address, action, client_id):
            found = self._store.get(client_id)
            if found is None:
                raise NotFound()
            yield found

    def _forget_consents(self, client_id: str) -> bool:
        """Forget its users' consents, in batches. False if there are more."""
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
        return RegisteredClient.of(client, client_secret=secret)
