"""CloudEvents 1.0, as they are published."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field, SerializeAsAny

from chalicelib.wire import Id, Model, Utc

CONTENT_TYPE = "application/cloudevents+json"


class Data(Model):
    """The `data` of an event. Raise `version` for a change that breaks readers; a new field does
    not. `about` names the field that becomes the `subject`."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    about: ClassVar[str]


class CloudEvent(Model):
    """An event as it is published. An event that is sent again has the same `source` and `id`.
    `dataschema` ends in the type and the version of `data`."""

    specversion: Literal["1.0"] = Field("1.0", description="The version of CloudEvents.")
    id: Id = Field(
        description="The id of the event. An event that is delivered twice has the same id."
    )
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
