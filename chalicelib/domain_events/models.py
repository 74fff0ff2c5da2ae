"""The events that other services may consume, as CloudEvents 1.0. They contain no personal data
but ids."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, SerializeAsAny

from chalicelib.text.sentences import said
from chalicelib.wire import Id, Model, Utc

CONTENT_TYPE = "application/cloudevents+json"

D = TypeVar("D", bound="Data")

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


class Data(Model):
    """The `data` of an event. Raise `version` for a change that breaks readers; a new field does
    not. `about` names the field that becomes the `subject`."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    about: ClassVar[str]


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


class CloudEvent(Model):
    """An event as it is published. An event that is sent again has the same `source` and `id`.
    `dataschema` ends in the type and the version of `data`."""

    specversion: Literal["1.0"] = Field("1.0", description="The version of CloudEvents.")
    id: Id = Field(description="Names the event. It may come twice, with the same id.")
    source: str = Field(
        description="The issuer.",
        examples=["https://chat.example.org/api"],
        json_schema_extra={"format": "uri"},
    )
    type: str = Field(description="What happened.", examples=["user.registered"])
    subject: Id = Field(description="What the event is about.")
    time: Utc = Field(description="When it happened.")
    datacontenttype: Literal["application/json"] = Field(
        "application/json", description="How `data` is written."
    )
    dataschema: str = Field(
        description="Ends in the type and the version of `data`.",
        examples=["https://chat.example.org/api/events/user.registered/1"],
        json_schema_extra={"format": "uri"},
    )
    data: SerializeAsAny[Data]

    @classmethod
    def of(cls, data: Data, event_id: str, *, time: datetime, issuer: str) -> "CloudEvent":
        """`event_id` and `time` are those of the change: the same each time it is published."""
        source = issuer.rstrip("/")
        return cls(
            id=event_id,
            source=source,
            type=data.type,
            subject=getattr(data, data.about),
            time=time,
            dataschema=f"{source}/events/{data.type}/{data.version}",
            data=data,
        )
