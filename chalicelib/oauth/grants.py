"""The programs that a user let in, and how the user ends that."""

from typing import TYPE_CHECKING

from pydantic import Field

from chalicelib.clock import NOW
from chalicelib.identity import Identity
from chalicelib.oauth.registration import USER_SCOPES
from chalicelib.wire import Model, OurId, Utc

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.oauth.consents import ConsentStore


class Permission(Model):
    """Something that a program may do, and the words that its user was asked with."""

    scope: str = Field(description="The name of the scope.", examples=["chats.read"])
    text: str = Field(
        description="What the user was asked: may the program …", examples=["read your chats"]
    )


class AllowedProgram(Model):
    """A program that a user let in."""

    client_id: OurId = Field(description="The program's id.")
    name: str = Field(description="What the program is called.", examples=["Shoe shop"])
    permissions: list[Permission] = Field(description="What it may do.")
    agreed_at: Utc = Field(description="When the user last agreed.")


class AllowedPrograms(Model):
    """The programs that a user let in."""

    items: list[AllowedProgram] = Field(description="All of them, by name.")


class Grants:
    """Raises Unavailable from every method when a server does not answer."""

    def __init__(self, *, consents: "ConsentStore", auth: "Auth") -> None:
        self._consents = consents
        self._auth = auth

    def all(self, identity: Identity) -> AllowedPrograms:
        """The programs that the caller let in."""
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
                for one in self._consents.programs(identity.user_id, NOW)
            ]
        )

    def end(self, identity: Identity, client_id: str) -> None:
        """End a program's access to the caller's account at once; it must ask again. Safe to
        repeat; a repeat completes what an outage cut short."""
        self._consents.forget(identity.user_id, client_id)
        self._auth.revoke_program(identity, client_id)
