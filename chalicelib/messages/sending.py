"""Sends messages: stores them, then delivers them."""

from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.identity import Identity
from chalicelib.messages.models.messages import UNANSWERED, Draft, Message, NewMessage
from chalicelib.messages.store import found

if TYPE_CHECKING:
    from chalicelib.messages.delivery.service import Delivery
    from chalicelib.messages.store.timeline import Timeline


class Sending:
    """A message is sent once it is stored: if its delivery fails, redelivery continues it."""

    def __init__(self, *, timeline: "Timeline", delivery: "Delivery") -> None:
        self._timeline = timeline
        self._delivery = delivery

    def send(self, sender: Identity, chat_id: str, draft: Draft) -> tuple[Message, bool]:
        """Store a message and deliver it: (the message, whether it is new).

        A resend answers with the message stored first, and completes its delivery (G2).
        Raises ChatNotFound, and NotAnswered after UNANSWERED messages to a user who has not
        written in the chat.
        """
        new = NewMessage.of(draft, chat_id=chat_id, sender_id=sender.user_id)
        stored = found(self._timeline.append(new, unanswered=UNANSWERED))
        if stored.created:
            metrics.count("MessagesStored")
        if stored.pending:
            self._delivery.attempt(stored.change, skip=sender.connection_id)
        return stored.message, stored.created
