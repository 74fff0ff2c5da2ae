"""What a message can hold: one class a kind."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from chalicelib.wire import NFC, PRINTABLE, Input

PREVIEW_LENGTH = 120


class TextContent(Input):
    """Plain text, 1 to 4,096 characters after NFC."""

    kind: Literal["text"]
    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=4096, pattern=r"\S"),
        NFC,
        PRINTABLE,
    ]

    def preview(self) -> str:
        """One line for a notification."""
        line = " ".join(self.text[: PREVIEW_LENGTH * 2].split())
        return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1] + "…"


Content = TextContent
