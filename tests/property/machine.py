"""Users, devices, drops, resends, revisions and syncs against a model: one list for each chat. The
list only grows, and its messages only get newer versions."""

import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from itertools import combinations, count
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.errors import ChatNotFound, Unavailable
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.chats import Chat, ChatState
from chalicelib.messages.models.messages import Draft, Message
from chalicelib.messages.pages import ChatQuery, MemberQuery
from chalicelib.messages.store import MessageStore
from chalicelib.wire import now
from tests.messaging import text_of
from tests.property.client import Client, Key
from tests.property.world import MOMENTS, Died, Fate, Fault, Sockets, World

T = TypeVar("T")

torn = [Fault("before insert", deadly=True), Fault("before apply", deadly=True)]
"""MongoDB stores a message, and a new version of it, in two steps."""

faults = st.one_of(
    st.none(), st.sampled_from(torn), st.builds(Fault, st.sampled_from(MOMENTS), st.booleans())
)
some = st.integers(0, 99)
"""Picks one of several, modulo how many there are."""


class Chats(RuleBasedStateMachine):
    """Three users with two devices each, and a chat for every two of them."""

    def __init__(self, store: MessageStore, sockets: Sockets, fate: Fate) -> None:
        super().__init__()
        fate.fault = None
        users = [new_id() for _ in range(3)]
        sockets.lose()
        self.world = World(store, sockets, fate, users)
        self.store = store
        self.world.messages.redelivery.redeliver_pending()  # what another example left
        self.clients = [Client(self.world, user, n) for user in users for n in (1, 2)]
        self.members: dict[str, tuple[str, str]] = {}
        for pair in combinations(users, 2):
            opener = Identity(user_id=pair[0], session_id="first")
            chat, made = self.world.messages.opening.open_direct(opener, pair[1])
            assert made
            self.members[chat.id] = pair
        self.log: dict[str, list[Message]] = {chat_id: [] for chat_id in self.members}
        self.states: dict[str, ChatState] = {}
        self.attempted: dict[Key, set[str]] = defaultdict(set)
        self.versions: dict[tuple[str, int], set[str | None]] = defaultdict(set)
        self.titles: dict[str, set[str | None]] = {chat_id: {None} for chat_id in self.members}
        self.acknowledged: dict[Key, Message] = {}
        self.revised: dict[tuple[str, int], int] = defaultdict(int)
        self.outdated: set[tuple[str, int]] = set()
        self.read: dict[tuple[str, str], int] = defaultdict(int)
        self.delivered: dict[tuple[str, str], int] = defaultdict(int)
        self.forgotten: dict[tuple[str, str], set[int]] = defaultdict(set)
        self.numbers = count(1)

    # -- what people do

    @initialize(online=st.lists(st.booleans(), min_size=6, max_size=6))
    def begin(self, online: list[bool]) -> None:
        for chat_id, members in self.members.items():
            for user_id in members:  # once both have written, nothing limits what is sent
                writer = next(one for one in self.clients if one.user_id == user_id)
                self.say(writer, (chat_id, user_id, f"c{next(self.numbers)}"), "hello", None)
        for client, is_online in zip(self.clients, online, strict=True):
            if is_online:
                client.open_socket()
                client.sync_all()

    @rule(
        who=some,
        where=some,
        texts=st.integers(1, 3),
        fault=faults,
        witness=st.none() | some,
    )
    def send(
        self, who: int, where: int, texts: int, fault: Fault | None, witness: int | None
    ) -> None:
        """One message after the other; the last one meets the fault. Somebody asks just then."""
        client = self.client(who)
        chat_id = self.chat_of(client, where)
        for left in reversed(range(texts)):
            number = next(self.numbers)
            key = (chat_id, client.user_id, f"c{number}")
            self.say(client, key, f"text {number}", None if left else fault)
        if witness is not None:
            near = [one for one in self.clients if one.user_id in self.members[chat_id]]
            asking = near[witness % len(near)]
            if not asking.is_cut_off:
                asking.catch_up(chat_id, 50)

    @rule(who=some, which=some, same=st.booleans(), fault=faults)
    def resend(self, who: int, which: int, same: bool, fault: Fault | None) -> None:
        """G2: any device may send again what was sent, even with another text."""
        client = self.client(who)
        if keys := [key for key in self.attempted if key[1] == client.user_id]:
            key = keys[which % len(keys)]
            text = min(self.attempted[key]) if same else f"other {next(self.numbers)}"
            self.say(client, key, text, fault)

    @rule(who=some, where=some, which=some, text=st.booleans(), fault=faults)
    def revise(self, who: int, where: int, which: int, text: bool, fault: Fault | None) -> None:
        """Somebody edits or deletes one of their messages that their device shows."""
        client = self.client(who)
        chat_id = self.chat_of(client, where)
        shown = client.shown(chat_id)
        mine = [one.seq for one in shown if one.sender_id == client.user_id]
        if client.is_cut_off or not mine:
            return
        seq = mine[which % len(mine)]
        new = f"version {next(self.numbers)}" if text else None
        self.versions[chat_id, seq].add(new)
        self.outdated.add((chat_id, seq))
        version = self.tried(fault, lambda: client.revise(chat_id, seq, new))
        if version is not None:
            self.revised[chat_id, seq] = max(self.revised[chat_id, seq], version.rev)

    @rule(who=some, where=some, fault=faults)
    def rename(self, who: int, where: int, fault: Fault | None) -> None:
        client = self.client(who)
        chat_id = self.chat_of(client, where)
        if client.is_cut_off:
            return
        title = f"title {next(self.numbers)}"
        self.titles[chat_id].add(title)
        state = self.tried(fault, lambda: client.rename(chat_id, title))
        if state is not None:
            self.revised[chat_id, 0] = max(self.revised[chat_id, 0], state.rev)

    @rule(who=some, which=some)
    def take(self, who: int, which: int) -> None:
        """An event comes in."""
        client = self.client(who)
        if not client.is_cut_off:
            client.take(which)

    @rule(who=some, where=some, limit=st.integers(0, 4))
    def ask_for_news(self, who: int, where: int, limit: int) -> None:
        """Of all chats, or of one."""
        client = self.client(who)
        if not client.is_cut_off:
            if limit == 0:
                client.sync()
            else:
                client.catch_up(self.chat_of(client, where), limit)

    @rule(who=some, where=some, back=st.none() | st.integers(0, 3), fault=faults)
    def acknowledge(self, who: int, where: int, back: int | None, fault: Fault | None) -> None:
        """A device has all that it is sure to have; or somebody read it, but perhaps not yet the
        newest."""
        client = self.client(who)
        chat_id = self.chat_of(client, where)
        here = (chat_id, client.user_id)
        seq = max(0, client.complete.get(chat_id, 0) - (back or 0))
        if client.is_cut_off:
            return
        receipts = self.world.messages.receipts
        move = receipts.delivered if back is None else receipts.read
        self.tried(fault, lambda: move(client.identity, chat_id, seq))
        if back is not None:
            self.read[here] = max(self.read[here], seq)
        self.delivered[here] = max(self.delivered[here], seq)

    # -- what happens to sockets and servers, and the jobs

    @rule(who=some, what=st.sampled_from(["connect", "connect", "drop", "vanish", "cut off"]))
    def network(self, who: int, what: str) -> None:
        """Who vanishes is gone without a word to us. Who is cut off keeps a socket that takes
        everything and gives nothing."""
        client = self.client(who)
        match what:
            case "connect":
                client.open_socket()
            case "cut off":
                if client.line is not None:
                    client.line.swallows = True
            case _:
                client.close_socket(told=what == "drop")

    @rule(overdue=st.booleans(), fault=faults)
    def job(self, overdue: bool, fault: Fault | None) -> None:
        if overdue:
            self.world.sockets.wait()
            self.tried(fault, self.world.messages.redelivery.push_overdue)
        else:
            self.tried(fault, self.world.messages.publisher.publish_left)
            self.tried(fault, self.world.messages.redelivery.redeliver_pending)
            if fault is None:
                self.check_open_sockets()

    @rule()
    def lose_redis(self) -> None:
        """Nobody's sockets are known any more. Nor is it known who owes an acknowledgement: a
        message that a socket swallowed just before costs its push, but not itself."""
        for owed in self.world.sockets.owing():
            here = (owed.chat_id, owed.user_id)
            self.forgotten[here] |= set(range(owed.since, owed.seq + 1))
        self.world.sockets.lose()

    # -- what people see

    @rule(who=some, where=some, limit=st.integers(1, 4))
    def look(self, who: int, where: int, limit: int) -> None:
        client = self.client(who)
        page = self.world.messages.reading.chats(client.identity, ChatQuery())
        for chat_id in self.chats_of(client):
            self.observe(client, chat_id, limit)
            self.observe_state(client, chat_id)
        self.check_list(client, page.items)
        self.check_strange(client)

    def check_list(self, client: Client, chats: list[Chat]) -> None:
        """The list of chats agrees with the log and with the cursors."""
        assert {chat.id for chat in chats} == set(self.chats_of(client))
        for chat in chats:
            log = self.log[chat.id]
            assert chat.last_message == (log[-1] if log else None)
            read = self.read[chat.id, client.user_id]
            unread = [m for m in log if m.sender_id != client.user_id and m.seq > read]
            assert chat.unread_count == sum(one.deleted_at is None for one in unread)
            assert chat.partner is not None
            for user_id, member in (
                (client.user_id, chat.me),
                (chat.partner.user_id, chat.partner),
            ):
                here = (chat.id, user_id)
                assert member.read_seq == self.read[here]
                assert member.delivered_seq == self.delivered[here]
            state = self.states[chat.id]
            assert (chat.title, chat.state_rev) == (state.title, state.rev)

    def check_strange(self, client: Client) -> None:
        """G4: a chat of others is none, whatever one asks of it."""
        [chat_id] = set(self.members) - set(self.chats_of(client))
        messages, identity = self.world.messages, client.identity
        draft = Draft(client_id="mine", content=TextContent(kind="text", text="let me in"))
        for ask in (
            lambda: messages.sending.send(identity, chat_id, draft),
            lambda: messages.reading.history(identity, chat_id, before=None, limit=1),
            lambda: messages.reading.changes(identity, chat_id, since=0, limit=1),
            lambda: messages.receipts.delivered(identity, chat_id, 1),
            lambda: messages.receipts.read(identity, chat_id, 1),
            lambda: messages.receipts.typing(identity, chat_id, True),
            lambda: messages.reading.chat(identity, chat_id),
            lambda: messages.reading.members(identity, chat_id, MemberQuery()),
        ):
            with pytest.raises(ChatNotFound):
                ask()
        store, user_id = self.store, client.user_id
        assert store.timeline.revise(chat_id, 1, member=user_id, content=None) is None
        assert store.chats.rename(chat_id, member=user_id, title="mine") is None

    # -- what must hold

    @invariant()
    def who_is_complete_has_everything(self) -> None:
        """G3: if an answer is complete up to a rev, no message up to that rev is missing, unless it
        has changed again since."""
        for client in self.clients:
            for chat_id, rev in client.complete.items():
                for message in self.log[chat_id]:
                    if message.rev <= rev and (chat_id, message.seq) not in self.outdated:
                        assert client.seen[chat_id][message.seq].rev >= message.rev

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.finish()

    def finish(self) -> None:
        """Everything works again, the jobs run, and everybody comes online once more."""
        for client in self.clients:
            for key, text in list(client.unanswered.items()):
                self.say(client, key, text, None)
        self.world.messages.redelivery.redeliver_pending()
        self.world.sockets.wait()
        self.world.messages.redelivery.push_overdue()
        assert self.world.sockets.owing() == []
        self.check_open_sockets()
        for client in self.clients:
            for chat_id in self.chats_of(client):
                self.check_reached(client, chat_id)
        for client in self.clients:
            client.open_socket()
            client.sync_all()
            for chat_id in self.chats_of(client):
                self.observe(client, chat_id)
                self.observe_state(client, chat_id)
                assert client.shown(chat_id) == self.log[chat_id]
                assert client.state(chat_id) == self.states[chat_id]
        assert self.world.messages.redelivery.redeliver_pending() == 0
        self.world.messages.publisher.publish_left()
        self.check_pushes()
        self.check_events()

    def check_reached(self, client: Client, chat_id: str) -> None:
        """G1: a device has the message, or it is on its way to one, or there was a push."""
        mine = [one for one in self.clients if one.user_id == client.user_id]
        reached = {message.id for one in mine for message in one.seen[chat_id].values()}
        arrived = [news for one in mine if one.line for news in one.line.arrived]
        reached |= {news.id for news in arrived if isinstance(news, Message)}
        reached |= {
            push.message_id
            for push in self.world.broker.published
            if client.user_id in push.user_ids
        }
        for message in self.log[chat_id]:
            own = message.sender_id == client.user_id
            if not own and message.deleted_at is None and message.id not in reached:
                assert message.seq in self.forgotten[chat_id, client.user_id]

    def check_open_sockets(self) -> None:
        """G1, G3: who is online has everything, at most by asking about gaps that show; but for
        what that client sent itself, was not told the fate of, and will send again."""
        online = [one for one in self.clients if one.is_heard and one.synced]
        for client in online:
            client.take_all()
            for chat_id in self.chats_of(client):
                client.close_gaps(chat_id)
        for client in self.clients:
            for chat_id in self.chats_of(client):
                self.observe(client, chat_id)
        for client in self.clients[::3]:  # together they see every chat
            for chat_id in self.chats_of(client):
                self.observe_state(client, chat_id)
        for client in online:
            for chat_id in self.chats_of(client):
                known = client.shown(chat_id)
                missing = [m for m in self.log[chat_id] if m not in known]
                assert all(
                    (chat_id, m.sender_id, m.client_id) in client.unanswered
                    or (chat_id, m.seq) in client.unsure
                    for m in missing
                )
                state = client.state(chat_id)
                assert state == self.states[chat_id] or (chat_id, 0) in client.unsure

    def check_pushes(self) -> None:
        """G4: a message is pushed to other members of its chat only, and not to its sender."""
        messages = {m.id: m for log in self.log.values() for m in log}
        for push in self.world.broker.published:
            if message := messages.get(push.message_id):
                others = {*self.members[message.chat_id]} - {message.sender_id}
                assert set(push.user_ids) == others

    def check_events(self) -> None:
        """Every chat and message is published, and nothing else."""
        told: dict[str, set[str]] = {"chat.created": set(), "message.created": set()}
        for event in self.world.broker.told:
            if event.data.model_dump()["chat_id"] in self.members:
                told[event.type].add(event.id)
        assert told["chat.created"] == set(self.members)
        assert told["message.created"] == {m.id for log in self.log.values() for m in log}
        assert self.store.outbox.unpublished(limit=200) == []

    # -- how

    def client(self, who: int) -> Client:
        """One of them. Who was forgotten is refused, and goes on over HTTP until it connects."""
        client = self.clients[who % len(self.clients)]
        lost = not self.world.sockets.knows(client.connection_id)
        if client.connection_id is not None and lost and not client.is_cut_off:
            client.close_socket(told=False)
        return client

    def chats_of(self, client: Client) -> list[str]:
        return [chat_id for chat_id, pair in self.members.items() if client.user_id in pair]

    def chat_of(self, client: Client, where: int) -> str:
        chat_ids = self.chats_of(client)
        return chat_ids[where % len(chat_ids)]

    def say(self, client: Client, key: Key, text: str, fault: Fault | None) -> None:
        """G2: every answer to a message is the same, and delivers it if it was not yet."""
        if client.is_cut_off:
            return
        self.attempted[key].add(text)
        message = self.tried(fault, lambda: client.send(key, text))
        if message is not None:
            first = self.acknowledged.setdefault(key, message)
            assert (first.id, first.seq) == (message.id, message.seq)
            if fault is None:
                unsettled = self.store.outbox.pending(
                    before=now() + timedelta(minutes=1), limit=200
                )
                assert message.id not in [
                    one.new_message and one.new_message.id for one in unsettled
                ]

    def observe(self, client: Client, chat_id: str, limit: int = 100) -> None:
        """G1, G3: a chat grows at its end only, by what somebody sent, and by each but once. A
        message changes only to a newer version that somebody made.

        Not done after every step, since to read a chat is to mend it.
        """
        newest_first: list[Message] = []
        before = None
        while True:
            page = self.world.messages.reading.history(
                client.identity, chat_id, before=before, limit=limit
            )
            newest_first += page.items
            if page.next is None:
                break
            before = int(page.next)
        found = newest_first[::-1]
        for was, message in zip(self.log[chat_id], found, strict=False):
            self.check_version(was, message)
        assert len(found) >= len(self.log[chat_id])
        self.log[chat_id] = found
        self.outdated -= {(chat_id, message.seq) for message in found}
        seqs = [message.seq for message in found]
        assert seqs == sorted(set(seqs))
        assert len({message.rev for message in found}) == len(found)
        stored = {(m.chat_id, m.sender_id, m.client_id): m for m in found}
        assert len(stored) == len(found)
        for key, message in stored.items():
            assert message.rev >= self.revised[chat_id, message.seq]
            if message.rev == message.seq:
                assert text_of(message) in self.attempted[key]
        for key, message in self.acknowledged.items():
            assert key[0] != chat_id or stored[key].id == message.id

    def check_version(self, was: Message, message: Message) -> None:
        """The same message, or a newer version of it."""
        if was == message:
            return
        assert was.rev < message.rev
        fixed = {"rev", "content", "edited_at", "deleted_at"}
        assert was.model_dump(exclude=fixed) == message.model_dump(exclude=fixed)
        made = self.versions[message.chat_id, message.seq]
        assert (None if message.content is None else text_of(message)) in made
        assert was.deleted_at is None or message.deleted_at == was.deleted_at

    def observe_state(self, client: Client, chat_id: str) -> None:
        """The title is one that somebody gave. An older one never comes back."""
        chat = self.world.messages.reading.chat(client.identity, chat_id)
        state = ChatState(
            chat_id=chat_id, rev=chat.state_rev, title=chat.title, member_count=2, photo=None
        )
        known = self.states.setdefault(chat_id, state)
        assert known == state or known.rev < state.rev
        assert state.title in self.titles[chat_id]
        assert state.rev >= self.revised[chat_id, 0]
        self.states[chat_id] = state

    def tried(self, fault: Fault | None, call: Callable[[], T]) -> T | None:
        """What a call answers while something may go wrong; None if it does not."""
        self.world.fate.fault = fault
        try:
            return call()
        except (Unavailable, Died):
            return None
        finally:
            self.world.fate.fault = None
