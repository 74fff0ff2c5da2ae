"""Watches what a store sends to MongoDB, and makes a function die."""

from collections.abc import Callable, Mapping
from typing import Any

import bson
import pytest
from pymongo import monitoring

from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store.mongo.store import MongoStore

MongoAt = Callable[[str], MongoStore]
"""A store on the MongoDB at a URL."""


class Commands(monitoring.CommandListener):
    """The commands sent, by every client made after `monitoring.register`, their names, and the
    answers."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.whole: list[Mapping[str, Any]] = []
        self.answers: list[Mapping[str, Any]] = []

    def clear(self) -> None:
        for found in (self.sent, self.whole, self.answers):
            found.clear()

    @property
    def size(self) -> int:
        """The bytes of commands and answers."""
        return sum(len(bson.encode(one)) for one in self.whole + self.answers)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(event.command_name)
        self.whole.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.answers.append(event.reply)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


COMMANDS = Commands()
monitoring.register(COMMANDS)


class Death(Exception):
    """Of the process that sends."""


def dies_before_storing(store: MongoStore, new: NewMessage) -> None:
    """Its place is taken and it is in the outbox; then it dies."""

    def die(document: object) -> None:
        raise Death

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._db.messages, "insert_one", die)
        with pytest.raises(Death):
            store.timeline.append(new, unanswered=3)
