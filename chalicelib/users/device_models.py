"""The devices of users, and their push tokens."""

from collections.abc import Callable
from typing import Annotated, Literal, LiteralString, NamedTuple

from pydantic import Field

from chalicelib.text.sentences import said
from chalicelib.wire import Input, Token

MAX_DEVICES = 20

DeviceId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="What the client calls this device; the same for every token of it.",
        examples=["pixel-9"],
    ),
    said(
        "not_a_device_id", "A device's id has 1 to 64 letters, digits, dots, dashes or underscores."
    ),
]
"""What a client calls its device; its own choice, the same for every token of that device."""

DeviceKey = Annotated[
    Annotated[
        Token,
        Field(min_length=22, max_length=128, examples=["n-0S6_WzA2MjR3uYkq9fVx"]),
        said(
            "not_a_device_key",
            "A device key has 22 to 128 visible ASCII characters, without spaces.",
        ),
    ]
    | None,
    Field(
        repr=False,
        description="Random text that the device makes once, keeps, and sends whenever it signs "
        "in. Failed attempts of others do not lock out a device that sends its key.",
    ),
]
"""Random text that a device makes once and sends with each sign-in. An account remembers the keys
of devices that signed in. Guesses on other devices do not lock these out."""


class PushToken(Input):
    """A device's address at Firebase Cloud Messaging. With its `device_key`, a device that has a
    new user ends the pushes of the one before. Without it both are pushed to, without previews."""

    token: Annotated[
        Token,
        Field(
            max_length=1024,
            repr=False,
            description="The registration token of the app's Firebase SDK.",
            examples=["fJ3kd9sLqT2:APA91bH"],
        ),
    ]
    platform: Literal["android", "ios", "web"] = Field(description="What the device is.")
    device_key: DeviceKey = None


class PushTarget(NamedTuple):
    """A device to push to. `previews`: its user allows pushes to show what a message says, and no
    other user has the same token."""

    user_id: str
    device_id: str
    token: str
    platform: str
    previews: bool


class PushTargets(NamedTuple):
    """The devices to push to, and the display names of senders by user id."""

    targets: list[PushTarget]
    names: dict[str, str]


class SessionSql(NamedTuple):
    """The parts of statements about devices that name sessions. `auth` owns that table and gives
    these."""

    stands: Callable[[LiteralString], LiteralString]
    """A condition: the session with this id is valid at `now`."""
    locked: LiteralString
    """The text after FROM that finds and locks the session `session_id`, if it is not revoked."""
