"""A direct chat between Ana and Bo in a store under test."""

from collections.abc import Callable
from datetime import datetime

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Stored
from chalicelib.messages.models.messages import Message, NewMessage
from chalicelib.messages.store import MessageStore
from chalicelib.wire import now
from tests.messaging import made

Connect = Callable[[], MessageStore]
"""Another store over the same data, as another function's container has."""

TEXTS = [
    "$",
    "$$ROOT",
    "$last_rev",
    '{"$set": {"last_rev": 99}}',
    'it\'s "quoted" \\ back\\slashed; -- DROP TABLE messages; %s %(id)s {}',
    "tab\tand\r\nlines\n",
    "👩‍👩‍👧‍👦 é עברית \u2028",
    "😀" * 4096,
]


class Room:
    """Ana opened the chat; Zoe is not in it."""

    def __init__(self, store: MessageStore, ana: str = "", bo: str = "") -> None:
        self.store = store
        self.ana, self.bo, self.zoe = ana or new_id(), bo or new_id(), new_id()
        self.id = direct_chat_id(self.ana, self.bo)
        self.chat, self.made = store.chats.open_direct(
            self.id, members=(self.ana, self.bo), at=now()
        )

    @property
    def event(self) -> ChatEvent:
        """The event of the new chat."""
        return ChatEvent.of_chat(self.id, (self.ana, self.bo), self.chat.created_at)

    def new(
        self,
        sender_id: str,
        text: str = "hello",
        *,
        client_id: str | None = None,
        at: datetime | None = None,
    ) -> NewMessage:
        return NewMessage(
            id=new_id(),
            chat_id=self.id,
            sender_id=sender_id,
            client_id=client_id or new_id(),
            content=TextContent(kind="text", text=text),
            created_at=at or now(),
        )

    def append(self, new: NewMessage, store: MessageStore | None = None) -> Stored:
        """As between people who have both written: nothing limits what is sent."""
        stored = (store or self.store).timeline.append(new, unanswered=2**31)
        assert stored is not None
        return stored

    def say(self, sender_id: str, text: str = "hello") -> Message:
        """Store a message and settle it."""
        message = self.append(self.new(sender_id, text)).message
        self.store.outbox.settle(made(message))
        return message

    def all(self, store: MessageStore | None = None) -> list[Message]:
        """Every message there is, oldest first, through the history."""
        timeline = (store or self.store).timeline
        found: list[Message] = []
        before = None
        while True:
            page = timeline.history(self.id, member=self.ana, before=before, limit=50)
            assert page is not None
            if not page:
                return found[::-1]
            found += page
            before = page[-1].seq
