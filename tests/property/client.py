"""A client that follows the protocol, one step at a time."""

from collections import defaultdict
from itertools import count

from chalicelib.identity import Identity
from chalicelib.messages.content import TextContent
from chalicelib.messages.models import Draft, Message
from tests.property.world import Line, World

Key = tuple[str, str, str]
"""A message by chat, sender and client_id."""

_ids = count(1)


class Client:
    """One device of a user. What it has seen survives its connections."""

    def __init__(self, world: World, user_id: str, number: int) -> None:
        self.world = world
        self.user_id = user_id
        self.name = f"{user_id[-1]}{number}"
        self.line: Line | None = None
        self.connection_id: str | None = None
        self.synced = False
        self.complete: dict[str, int] = {}
        self.seen: dict[str, dict[int, Message]] = defaultdict(dict)
        self.unanswered: dict[Key, str] = {}

    def __repr__(self) -> str:
        return self.name

    @property
    def identity(self) -> Identity:
        """As which it calls: over its socket while it has one, else over HTTP."""
        return Identity(
            user_id=self.user_id, session_id=self.name, connection_id=self.connection_id
        )

    @property
    def is_heard(self) -> bool:
        """Whether a socket is open that the server knows of, and the network works."""
        return self.world.sockets.knows(self.connection_id) and not self.is_cut_off

    @property
    def is_cut_off(self) -> bool:
        return self.line is not None and self.line.swallows

    def open_socket(self) -> None:
        """Then it must sync; events may arrive before."""
        self.close_socket(told=False)
        self.line = Line(self.user_id)
        self.connection_id = f"socket-{next(_ids)}"
        self.world.wires.lines[self.connection_id] = self.line
        self.world.sockets.open(self.identity, self.connection_id)
        self.synced = False

    def close_socket(self, *, told: bool) -> None:
        """`told`: API Gateway told us ($disconnect), which it need not do."""
        if self.line is not None and self.connection_id is not None:
            # A socket that swallows is open for all that API Gateway knows, until it times out.
            self.line.open = self.line.swallows and not told
            if told:
                self.world.sockets.forget(self.connection_id)
        self.line = self.connection_id = None
        self.synced = False

    def take(self, number: int) -> None:
        """An event arrives: any of those on their way, since they overtake each other."""
        if self.line is not None and self.line.arrived:
            message = self.line.arrived.pop(number % len(self.line.arrived))
            self.merge(message.chat_id, [message])

    def take_all(self) -> None:
        while self.line is not None and self.line.arrived:
            self.take(0)

    def send(self, key: Key, text: str) -> Message:
        """The message as stored; until it is answered the client will not forget it."""
        chat_id, _, client_id = key
        self.unanswered[key] = text
        draft = Draft(client_id=client_id, content=TextContent(kind="text", text=text))
        message, _ = self.world.messages.sending.send(self.identity, chat_id, draft)
        del self.unanswered[key]
        self.merge(chat_id, [message])
        return message

    def sync(self) -> bool:
        """One request; answers whether there is more."""
        news = self.world.messages.reading.sync(self.identity, dict(self.complete))
        for item in news.items:
            self.merge(item.chat.id, item.changes, item.rev)
        more = news.more or any(item.more for item in news.items)
        self.synced = self.synced or not more
        return more

    def sync_all(self) -> None:
        """As a client does when it has opened a socket."""
        while self.sync():
            pass

    def catch_up(self, chat_id: str, limit: int) -> bool:
        """One request; answers whether there is more."""
        changes = self.world.messages.reading.changes(
            self.identity, chat_id, since=self.complete.get(chat_id, 0), limit=limit
        )
        self.merge(chat_id, changes.items, changes.rev)
        return changes.more

    def close_gaps(self, chat_id: str) -> None:
        """Ask for what is missing before the newest message that is there."""
        while max(self.seen[chat_id], default=0) > (before := self.complete.get(chat_id, 0)):
            self.catch_up(chat_id, 50)
            assert self.complete[chat_id] > before

    def merge(self, chat_id: str, messages: list[Message], complete: int = 0) -> None:
        """`complete` is up to where the server says that nothing is missing."""
        seen = self.seen[chat_id]
        for message in messages:
            assert seen.setdefault(message.rev, message) == message
        rev = max(self.complete.get(chat_id, 0), complete)
        while rev + 1 in seen:
            rev += 1
        self.complete[chat_id] = rev

    def shown(self, chat_id: str) -> list[Message]:
        """What a person sees, in its order."""
        return [message for _, message in sorted(self.seen[chat_id].items())]
