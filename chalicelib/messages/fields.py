"""Fields of chats and messages that several models share."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from chalicelib.wire import UUID, OurId, Token

Rev = Annotated[
    int,
    Field(
        ge=0,
        le=2**53 - 1,
        description="A place in the order of the chat's changes.",
        examples=[42],
    ),
]
"""A place in a chat's order. It is small enough for a JavaScript number to hold it exactly."""


def _one_case(value: str) -> str:
    return value.lower() if re.fullmatch(UUID, value) else value


ClientId = Annotated[
    Token,
    Field(
        min_length=1,
        max_length=64,
        description="The client's own name for the message, new for each. Sending it again with "
        "the same one stores nothing twice.",
        examples=["3e0f6a52-9c1d-4b7e-8f21-6a5d0c9b7e14"],
    ),
    AfterValidator(_one_case),
]
"""A client's own name for its message. A UUID in upper case equals the same one in lower case."""

MessageId = Annotated[OurId, Field(description="The message's id.")]
ChatId = Annotated[OurId, Field(description="The chat's id.")]
UserId = Annotated[OurId, Field(description="The user's id.")]
ReadSeq = Annotated[
    int, Field(description="They have read every message up to this `seq`.", examples=[42])
]
DeliveredSeq = Annotated[
    int,
    Field(description="A device of theirs has every message up to this `seq`.", examples=[42]),
]
LastRev = Annotated[int, Field(description="The rev of its last change.", examples=[42])]
StateRev = Annotated[
    int,
    Field(
        description="The rev of the last change of the chat itself: of its title, photo or "
        "members. 0 if there was none.",
        examples=[7],
    ),
]
UpToRev = Annotated[
    int, Field(description="The changes are complete up to this rev.", examples=[42])
]
