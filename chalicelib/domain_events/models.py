"""The events that other services may consume, as CloudEvents 1.0. They contain no personal data
but ids."""

from typing import Annotated, TypeVar

from pydantic import Field

from chalicelib.broker.cloud_events import Data
from chalicelib.text.sentences import said
from chalicelib.wire import Id, Model

D = TypeVar("D", bound=Data)

ConsumerName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{0,31}$"),
    said("not_a_consumer", "Begin with a letter a-z; then up to 31 letters a-z, digits or dashes."),
]
"""The name of a service that consumes events: a part of the names of its account and queue."""


class ConsumerAccount(Model):
    """What a consumer connects with, and the queue that it reads."""

    url: str
    queue: str


class _OfUser(Data):
    about = "user_id"

    user_id: Id = Field(description="The user.")
    revision: int = Field(
        description="Grows with each change of the user: the higher one is newer.", examples=[3]
    )


TYPES: dict[str, type[Data]] = {}
"""Each type of event, which is also its routing key."""


def _declared(model: type[D]) -> type[D]:
    if model.type in TYPES:
        raise ValueError(f"event defined twice: {model.type}")
    TYPES[model.type] = model
    return model


@_declared
class UserRegistered(_OfUser):
    """Somebody has made an account."""

    type = "user.registered"


@_declared
class UserUpdated(_OfUser):
    """A user has changed their profile, their settings or their e-mail address."""

    type = "user.updated"


@_declared
class UserDeleted(_OfUser):
    """A user has deleted their account."""

    type = "user.deleted"


@_declared
class UserSuspended(_OfUser):
    """Staff has suspended a user. The user's sessions end, each with an event of its own."""

    type = "user.suspended"


@_declared
class UserReinstated(_OfUser):
    """A user who was suspended may sign in again."""

    type = "user.reinstated"


@_declared
class SessionRevoked(Data):
    """A session was revoked, for any reason."""

    type = "session.revoked"
    about = "session_id"

    session_id: Id = Field(description="The session.")
    user_id: Id = Field(description="Whose it was.")
    client_id: Id | None = Field(
        description="The program that it was granted to; null for a sign-in to our own clients."
    )


@_declared
class ChatCreated(Data):
    """Two users have a chat now."""

    type = "chat.created"
    about = "chat_id"

    chat_id: Id = Field(description="The chat.")
    member_ids: list[Id] = Field(description="Its members.")


@_declared
class MessageCreated(Data):
    """A message was stored in a chat, as number `seq`."""

    type = "message.created"
    about = "message_id"

    message_id: Id = Field(description="The message.")
    chat_id: Id = Field(description="The chat that it is in.")
    seq: int = Field(description="Its place in the chat.", examples=[42])
    sender_id: Id = Field(description="Who wrote it.")
