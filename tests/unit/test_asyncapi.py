"""The document of the socket is what the code declares."""

import json

from local import asyncapi


def test_the_committed_document_is_current() -> None:
    committed = json.loads(asyncapi.PATH.read_text())

    assert committed == asyncapi.document(), "run: make docs"
