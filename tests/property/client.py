"""A client that follows the protocol, one step at a time."""

from collections import defaultdict
from itertools import count

from chalicelib.identity import Identity
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import Chat, ChatState
from chalicelib.messages.models.messages import Draft, Message
from tests.property.world import Line, World

Key = tuple[str, str, str]
"""A message by chat, sender and client_id."""

_ids = count(1)


class Client:
    """One device of a user. What it has seen survives its connections.

    For each chat: the revs that it knows of, messages by seq in their newest version, and the
    chat's state. `unsure`: (chat, seq) of revisions whose answer did not arrive; a title has the
    seq 0.
    """

    def __init__(self, world: World, user_id: str, number: int) -> None:
        self.world = world
        self.user_id = user_id
        self.name = f"{user_id[-1]}{number}"
        self.line: Line | None = None
        self.connection_id: str | None = None
        self.synced = False
        self.complete: dict[str, int] = {}
        self.revs: dict[str, set[int]] = defaultdict(set)
        self.seen: dict[str, dict[int, Message]] = defaultdict(dict)
        self.states: dict[str, ChatState] = {}
        self.unanswered: dict[Key, str] = {}
        self.unsure: set[tuple[str, int]] = set()

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
            news = self.line.arrived.pop(number % len(self.line.arrived))
            if isinstance(news, ChatState):
                self.note_state(news)
            else:
                self.merge(news.chat_id, [news])

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

    def revise(self, chat_id: str, seq: int, text: str | None) -> Message | None:
        """The new version; None if the message was deleted before."""
        self.unsure.add((chat_id, seq))
        content = None if text is None else TextContent(kind="text", text=text)
        change = self.world.frail.timeline.revise(
            chat_id, seq, member=self.user_id, content=content
        )
        version = self._delivered(change, seq, chat_id)
        assert version is None or isinstance(version, Message)
        if version is not None:
            self.merge(chat_id, [version])
        return version

    def rename(self, chat_id: str, title: str) -> ChatState:
        self.unsure.add((chat_id, 0))
        change = self.world.frail.chats.rename(chat_id, member=self.user_id, title=title)
        state = self._delivered(change, 0, chat_id)
        assert isinstance(state, ChatState)
        self.note_state(state)
        return state

    def _delivered(
        self, change: Change | None, seq: int, chat_id: str
    ) -> Message | ChatState | None:
        if change is not None:
            self.world.messages.delivery.attempt(change, skip=self.connection_id)
        self.unsure.discard((chat_id, seq))
        return change and change.newest

    def sync(self) -> bool:
        """One request; answers whether there is more."""
        news = self.world.messages.reading.sync(self.identity, dict(self.complete))
        for item in news.items:
            self.note_chat(item.chat)
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
        if changes.chat is not None:
            self.note_chat(changes.chat)
        self.merge(chat_id, changes.items, changes.rev)
        return changes.more

    def close_gaps(self, chat_id: str) -> None:
        """Ask for what is missing before the newest change that is known."""
        while max(self.revs[chat_id], default=0) > (before := self.complete.get(chat_id, 0)):
            self.catch_up(chat_id, 50)
            assert self.complete[chat_id] > before

    def merge(self, chat_id: str, messages: list[Message], complete: int = 0) -> None:
        """`complete` is up to where the server says that nothing is missing."""
        seen = self.seen[chat_id]
        for message in messages:
            self.revs[chat_id].add(message.rev)
            known = seen.get(message.seq, message)
            assert known.rev != message.rev or known == message
            if known.rev <= message.rev:
                seen[message.seq] = message
        self._advance(chat_id, complete)

    def note_chat(self, chat: Chat) -> None:
        """The state of a chat as it is now. Its rev says nothing about the messages before it."""
        self._keep(
            ChatState(
                chat_id=chat.id,
                rev=chat.state_rev,
                title=chat.title,
                photo=chat.photo,
                member_count=chat.member_count,
            )
        )

    def note_state(self, state: ChatState) -> None:
        """A change of the state has come in."""
        self.revs[state.chat_id].add(state.rev)
        self._keep(state)
        self._advance(state.chat_id)

    def _keep(self, state: ChatState) -> None:
        known = self.states.setdefault(state.chat_id, state)
        assert known.rev != state.rev or known == state
        if known.rev < state.rev:
            self.states[state.chat_id] = state

    def _advance(self, chat_id: str, complete: int = 0) -> None:
        rev = max(self.complete.get(chat_id, 0), complete)
        while rev + 1 in self.revs[chat_id]:
            rev += 1
        self.complete[chat_id] = rev

    def state(self, chat_id: str) -> ChatState:
        """The one that it knows; a chat begins without a title."""
        return self.states.get(chat_id) or ChatState(chat_id=chat_id, rev=0, member_count=2)

    def shown(self, chat_id: str) -> list[Message]:
        """What a person sees, in its order."""
        return [message for _, message in sorted(self.seen[chat_id].items())]
