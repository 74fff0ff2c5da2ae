"""Receipts: how far members have received and read a chat."""

from typing import NamedTuple

from chalicelib.messages.fields import ChatId, DeliveredSeq, ReadSeq, UserId
from chalicelib.wire import Model


class Receipt(Model):
    """How far a member has received and read a chat."""

    chat_id: ChatId
    user_id: UserId
    read_seq: ReadSeq
    delivered_seq: DeliveredSeq


class ReceiptState(NamedTuple):
    """A receipt after an attempt to move it. Only the users in `seen_by` may see it: all members if
    the chat is answered, otherwise only its own member."""

    receipt: Receipt
    moved: bool
    answered: bool
    seen_by: list[str]
