"""The presence of users, what clients send about it, and the acknowledgements that they owe."""

from typing import Annotated, NamedTuple

from pydantic import Field

from chalicelib.live.events import declare
from chalicelib.wire import Id, Input, Model, OurId, Utc


class Owed(NamedTuple):
    """An owed acknowledgement: of a chat's messages from `since` to `seq`, by one member."""

    user_id: str
    chat_id: str
    seq: int
    since: int = 0


class UserPresence(Model):
    """Whether a user is online, and if not, when they last were."""

    user_id: Annotated[OurId, Field(description="The user's id.")]
    online: bool = Field(description="Whether a device of theirs is connected.")
    last_seen_at: Utc | None = Field(
        description="When one was last connected; null while they are online, and if it is long "
        "ago or never."
    )


class PresenceList(Model):
    """The presence of the requested users with whom you share an answered chat."""

    items: list[UserPresence] = Field(
        description="One entry for each of them with whom you have an answered chat."
    )


class Watch(Input):
    """Data of `presence.watch`: the users that this socket watches, instead of earlier ones."""

    user_ids: Annotated[
        list[Id], Field(max_length=200, description="The users to watch; none to stop.")
    ]


class Nothing(Input):
    """No data."""


PRESENCE = declare("presence", UserPresence, scope="chats.read", tag="Presence")
