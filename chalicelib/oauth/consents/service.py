"""The programs that a user allowed, and how the user ends their access."""

from typing import TYPE_CHECKING

from chalicelib.clock import NOW
from chalicelib.identity import Identity
from chalicelib.oauth.consents.models import AllowedProgram, AllowedPrograms, Permission
from chalicelib.oauth.scopes import USER_SCOPES

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.oauth.consents.store import ConsentStore


class Consents:
    """Raises Unavailable from every method when a server does not answer."""

    def __init__(self, *, store: "ConsentStore", auth: "Auth") -> None:
        self._store = store
        self._auth = auth

    def all(self, identity: Identity) -> AllowedPrograms:
        """The programs that the caller allowed."""
        return AllowedPrograms(
            items=[
                AllowedProgram(
                    client_id=one.client_id,
                    name=one.name,
                    permissions=[
                        Permission(scope=scope, text=text)
                        for scope, text in USER_SCOPES.items()
                        if scope in one.scopes
                    ],
                    agreed_at=one.agreed_at,
                )
                for one in self._store.programs(identity.user_id, NOW)
            ]
        )

    def end(self, identity: Identity, client_id: str) -> None:
        """End a program's access to the caller's account at once. The program must ask again. Safe
        to repeat; a repeat completes what an outage interrupted."""
        self._store.forget(identity.user_id, client_id)
        self._auth.revoke_program(identity, client_id)
