"""What comes off a push queue, and what goes to a phone."""

from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field

from chalicelib.events import USERS_PER_EVENT, MessageUnread
from chalicelib.wire import Id


class Record(NamedTuple):
    """A message of a push queue as it was delivered to us, not yet looked into."""

    body: bytes
    shard: int = 0
    attempt: int = 0  # retries it has had


class Unread(MessageUnread):
    """A MessageUnread that is exactly what this version understands."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    message_id: Id
    chat_id: Id
    seq: Annotated[int, Field(ge=0)]
    sender_id: Id
    user_ids: Annotated[list[Id], Field(max_length=USERS_PER_EVENT)]


class Push(NamedTuple):
    """One notification for one device."""

    token: str
    message_id: str
    chat_id: str
    seq: int
    sender_id: str
    title: str
    body: str

    def data(self) -> dict[str, str]:
        """What the app reads. FCM takes strings only."""
        return {
            "message_id": self.message_id,
            "chat_id": self.chat_id,
            "seq": str(self.seq),
            "sender_id": self.sender_id,
        }


class Outcome(NamedTuple):
    """What became of a Push.

    `gone`: the device will never take one under this token again. `retry`: it may later.
    `invalid`: FCM refuses what we say, and always will.
    """

    state: Literal["sent", "gone", "retry", "invalid"]
    reason: str = ""
    retry_after: float = 0
