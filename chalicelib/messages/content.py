"""The content of messages: a class for each kind."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from chalicelib.text.characters import cut, shown
from chalicelib.wire import NFC, PRINTABLE, VISIBLE, Input

PREVIEW_LENGTH = 120


class TextContent(Input):
    """Plain text."""

    kind: Literal["text"] = Field(description="`text`: a text without markup.")
    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=4096),
        Field(
            description="1 to 4,096 characters after NFC, with something to see. Line breaks may "
            "be among them, other control characters may not.",
            examples=["See you at eight!"],
        ),
        NFC,
        PRINTABLE,
        VISIBLE,
    ]

    def preview(self) -> str:
        """One line for a notification, of at most PREVIEW_LENGTH characters."""
        return cut(shown(self.text), PREVIEW_LENGTH)


Content = TextContent


def _kept(value: Any) -> Any:
    match value:
        case {"kind": "text", "text": str(text)} if len(value) == 2:
            return TextContent.model_construct(kind="text", text=text)
    return value


StoredContent = Annotated[Content, BeforeValidator(_kept)]
"""Content from a store. It is not validated again: the rules may be stricter now than when it was
stored."""
