"""Records of push queues, notifications of programs, and pushes to devices."""

from typing import Annotated, Literal, NamedTuple, Protocol

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import to_json

from chalicelib.broker.pushes import USERS_PER_EVENT, MessageUnread
from chalicelib.text.sentences import said, wrong
from chalicelib.wire import NFC, PRINTABLE, VISIBLE, Id, Input, Model, OurId, Token

MAX_DATA_BYTES = 2048
# Reserved keys: Google's (FCM refuses a message with them), Apple's (FCM puts the data beside
# them), and those of our own pushes (the app trusts them).
_TAKEN = {"from", "message_type", "collapse_key", "aps"}
_TAKEN |= {"message_id", "chat_id", "seq", "sender_id"}
_TAKEN_PREFIXES = ("google", "gcm")


def _data(value: dict[str, str]) -> dict[str, str]:
    if any(key in _TAKEN or key.startswith(_TAKEN_PREFIXES) for key in value):
        raise wrong("reserved", "Choose other keys: FCM, Apple or Parley uses one of these itself.")
    if len(to_json(value)) > MAX_DATA_BYTES:
        raise wrong(
            "too_many_bytes",
            "Make this shorter: it has at most 2,048 bytes as JSON, where quotes, backslashes and"
            " line breaks count twice.",
            max=MAX_DATA_BYTES,
        )
    return value


Data = Annotated[
    dict[
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$"),
            said(
                "not_a_key", "A key has 1 to 64 letters a-z, digits, dots, dashes or underscores."
            ),
        ],
        Annotated[str, PRINTABLE],
    ],
    Field(
        max_length=20,
        repr=False,
        description="Data for the app: strings by names, at most 20 and 2,048 bytes as JSON.",
        examples=[{"order": "17"}],
    ),
    AfterValidator(_data),
]
"""The data for the app: strings by names, as FCM takes them."""


class Record(NamedTuple):
    """A message of a push queue, not parsed yet."""

    body: bytes
    shard: int = 0
    attempt: int = 0  # retries it has had


class Unread(MessageUnread):
    """A MessageUnread, validated strictly: exactly the fields of this version."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    message_id: Id
    chat_id: Id
    seq: Annotated[int, Field(ge=0)]
    sender_id: Id
    user_ids: Annotated[list[Id], Field(max_length=USERS_PER_EVENT)]


class Notification(Protocol):
    """A notification on a device. `tag`: it replaces an earlier one with the same tag. `thread`:
    notifications with the same thread are grouped."""

    @property
    def token(self) -> str: ...
    @property
    def tag(self) -> str: ...
    @property
    def thread(self) -> str | None: ...
    @property
    def title(self) -> str: ...
    @property
    def body(self) -> str: ...
    def data(self) -> dict[str, str]:
        """The data for the app. FCM takes strings only."""
        ...


class Push(NamedTuple):
    """The notification of a message for one device. `sender_id` is None where previews are off:
    then it holds only what the app needs to open the chat."""

    token: str
    message_id: str
    chat_id: str
    seq: int
    sender_id: str | None
    title: str
    body: str

    @property
    def tag(self) -> str:
        return self.message_id

    @property
    def thread(self) -> str:
        return self.chat_id

    def data(self) -> dict[str, str]:
        sender = {"sender_id": self.sender_id} if self.sender_id else {}
        found = {"message_id": self.message_id, "chat_id": self.chat_id, "seq": str(self.seq)}
        return found | sender


class Outcome(NamedTuple):
    """The outcome of a Push.

    `gone`: this token will never work again. `retry`: a later attempt may succeed. `invalid`: FCM
    refuses this push, and always will.
    """

    state: Literal["sent", "gone", "retry", "invalid"]
    reason: str = ""
    retry_after: float = 0


class ProgramPush(NamedTuple):
    """The notification of a program for one device."""

    token: str
    tag: str
    title: str
    body: str
    extra: dict[str, str]

    @property
    def thread(self) -> None:
        return None

    def data(self) -> dict[str, str]:
        return self.extra


class NewPush(Input):
    """A program's notification. Where a user has turned previews off, the device shows only that
    there is one, and the app gets no `data`."""

    user_ids: Annotated[
        list[Id], Field(min_length=1, max_length=100, description="Whom to notify.")
    ]
    title: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            repr=False,
            description="The first line that is shown, beside the program's name.",
            examples=["Your order"],
        ),
        NFC,
        PRINTABLE,
        VISIBLE,
    ]
    body: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            repr=False,
            description="The text that is shown.",
            examples=["It is on its way."],
        ),
        NFC,
        PRINTABLE,
        VISIBLE,
    ]
    data: Data = Field(default_factory=dict)
    collapse_key: Annotated[Token, Field(max_length=64)] | None = Field(
        None,
        description="On each device it replaces the program's earlier notification with the same "
        "key.",
    )


class PushOutcome(Model):
    """The outcome of a program's notification for a user."""

    user_id: OurId = Field(description="The user's id.")
    outcome: Literal["sent", "no_device", "try_again", "refused"] = Field(
        description="`sent`: FCM took it for one device at least. `no_device`: there is none, or "
        "no such user. `try_again`: FCM takes none now. `refused`: it never will."
    )
    devices: int = Field(description="How many devices it was taken for.", examples=[1])


class PushResult(Model):
    """The outcome of a notification."""

    items: list[PushOutcome] = Field(
        description="One entry for each user, in the order of the question."
    )
