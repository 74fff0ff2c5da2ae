"""The verbs of chats and messages, put together as `deps` does it, over parts that a test gives."""

from collections.abc import Callable, Iterable

from chalicelib.broker.publisher import Broker
from chalicelib.config import Settings
from chalicelib.live.connections import Connections
from chalicelib.live.gateway import Gateway
from chalicelib.messages.content import TextContent
from chalicelib.messages.delivery.publisher import Publisher
from chalicelib.messages.delivery.redelivery import Redelivery
from chalicelib.messages.delivery.service import Delivery
from chalicelib.messages.models.changes import Change, Stored
from chalicelib.messages.models.messages import Message
from chalicelib.messages.opening import Opening
from chalicelib.messages.reading import Reading
from chalicelib.messages.receipts import Receipts
from chalicelib.messages.sending import Sending
from chalicelib.messages.store import MessageStore
from chalicelib.users.profiles import Users


class Messaging:
    """One object for each verb."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: MessageStore,
        connections: Connections,
        gateway: Gateway,
        broker: Callable[[], Broker],
        users: Callable[[], Users],
    ) -> None:
        self.publisher = Publisher(settings, outbox=store.outbox, broker=broker)
        self.opening = Opening(chats=store.chats, publisher=self.publisher, users=users)
        self.delivery = Delivery(
            outbox=store.outbox,
            connections=connections,
            gateway=gateway,
            publisher=self.publisher,
        )
        self.sending = Sending(timeline=store.timeline, delivery=self.delivery)
        self.redelivery = Redelivery(
            settings,
            timeline=store.timeline,
            outbox=store.outbox,
            connections=connections,
            delivery=self.delivery,
            publisher=self.publisher,
        )
        self.reading = Reading(chats=store.chats, timeline=store.timeline)
        self.receipts = Receipts(cursors=store.cursors, gateway=gateway)


def says(text: str) -> TextContent:
    """What a message may say."""
    return TextContent(kind="text", text=text)


def text_of(message: Message) -> str:
    """The text of a message that is not deleted."""
    assert message.content is not None
    return message.content.text


def new_messages(changes: Iterable[Change]) -> list[Message]:
    """The messages of changes that are all new messages."""
    found = [change.new_message for change in changes]
    assert None not in found
    return [message for message in found if message is not None]


def made(message: Message) -> Change:
    """The change that a new message is, as the outbox has it."""
    return Stored(message, [], created=True, pending=True).change
