"""Sending, receipts, catch-up and the jobs, on fakes."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import deadline
from chalicelib.errors import (
    AppError,
    ChatNotFound,
    NotAnswered,
    Unavailable,
    UserNotFound,
    ValidationFailed,
)
from chalicelib.identity import Identity
from chalicelib.live.models import Owed
from chalicelib.messages import service
from chalicelib.messages.content import TextContent
from chalicelib.messages.models import Chat, Draft, Message
from chalicelib.messages.queries import ChatQuery
from chalicelib.messages.service import Messages
from chalicelib.wire import now
from tests.fakes import FakeMessageStore
from tests.unit.messages.fakes import FakeBroker, FakeGateway, FakeOwing, FakeUsers
from tests.unit.settings import settings

ANA_ID, BO_ID, CY_ID = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(3))
ANA = Identity(user_id=ANA_ID, session_id="s", connection_id="ana-1")
BO = Identity(user_id=BO_ID, session_id="s", connection_id="bo-1")
CY = Identity(user_id=CY_ID, session_id="s", connection_id="cy-1")
NOWHERE = "00000000-0000-7000-8000-0000000000ff"


def draft(text: str = "hi", client_id: str = "x1") -> Draft:
    return Draft(client_id=client_id, content=TextContent(kind="text", text=text))


@pytest.fixture
def store() -> FakeMessageStore:
    return FakeMessageStore()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(online=[ANA_ID, BO_ID])


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def owing() -> FakeOwing:
    return FakeOwing()


@pytest.fixture
def messages(
    store: FakeMessageStore, gateway: FakeGateway, broker: FakeBroker, owing: FakeOwing
) -> Messages:
    users: Any = FakeUsers([ANA_ID, BO_ID, CY_ID])
    return Messages(
        settings(),
        store=store,
        connections=owing,
        gateway=gateway,
        broker=lambda: broker,
        users=lambda: users,
    )


@pytest.fixture
def chat(messages: Messages) -> Chat:
    return messages.open_direct(ANA, BO_ID)[0]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, store: FakeMessageStore) -> Callable[[timedelta], None]:
    def move(by: timedelta) -> None:
        there = now() + by
        monkeypatch.setattr(service, "now", lambda: there)
        monkeypatch.setattr(store, "now", lambda: there)

    return move


class TestOpenDirect:
    def test_both_get_the_same_chat(self, messages: Messages, chat: Chat) -> None:
        again, made = messages.open_direct(BO, ANA_ID)

        assert (again.id, made) == (chat.id, False)
        assert {member.user_id for member in chat.members} == {ANA_ID, BO_ID}

    def test_somebody_else_must_exist(self, messages: Messages) -> None:
        with pytest.raises(UserNotFound):
            messages.open_direct(ANA, NOWHERE)
        with pytest.raises(ValidationFailed):
            messages.open_direct(ANA, ANA_ID)


class TestSend:
    def test_everyone_but_the_sending_socket_gets_the_event(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, new = messages.send(ANA, chat.id, draft())

        assert new
        assert sorted(to for to, _ in gateway.sent) == [ANA_ID, BO_ID]
        event = gateway.sent[0][1]
        assert event["event"] == "message.new"
        assert event["data"] == message.model_dump(mode="json")
        assert gateway.skipped == ["ana-1"]

    def test_only_absent_members_are_pushed_to(
        self, messages: Messages, chat: Chat, gateway: FakeGateway, broker: FakeBroker
    ) -> None:
        messages.send(ANA, chat.id, draft())
        assert broker.published == []

        gateway.online = set()
        message, _ = messages.send(ANA, chat.id, draft("a\n b", client_id="x2"))

        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert broker.published[0].preview == "a b"
        assert broker.published[0].seq == message.seq

    def test_costs_one_append_and_one_settle(
        self, messages: Messages, chat: Chat, store: FakeMessageStore
    ) -> None:
        store.calls.clear()
        messages.send(ANA, chat.id, draft())

        assert store.calls == ["append", "settle"]

    def test_g2_a_resend_returns_the_first_and_tells_nobody_again(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        first, _ = messages.send(ANA, chat.id, draft("first"))
        gateway.sent.clear()

        second, new = messages.send(ANA, chat.id, draft("second"))

        assert (second, new) == (first, False)
        assert gateway.sent == []

    @pytest.mark.parametrize("broken", ["gateway", "broker", "settle"])
    def test_g1_what_cannot_be_delivered_is_stored_and_answered_and_a_resend_completes_it(
        self,
        messages: Messages,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        broker: FakeBroker,
        broken: str,
    ) -> None:
        gateway.online, gateway.sick, broker.sick = set(), broken == "gateway", broken == "broker"
        store.fail_on = {"settle"} if broken == "settle" else set()
        first, new = messages.send(ANA, chat.id, draft())
        assert new

        gateway.sick = broker.sick = False
        store.fail_on = set()
        second, new = messages.send(ANA, chat.id, draft())

        assert (second, new) == (first, False)
        assert [event.message_id for event in broker.published] == [first.id]
        assert store.pending(before=now() + timedelta(days=1), limit=9) == []

    def test_a_socket_that_cannot_be_asked_keeps_the_message_pending_and_pushes_the_absent(
        self,
        messages: Messages,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        broker: FakeBroker,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.failed, gateway.online = True, {ANA_ID}
        messages.send(ANA, chat.id, draft())
        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert len(store.pending(before=now() + timedelta(days=1), limit=9)) == 1

        gateway.online = {ANA_ID, BO_ID}
        later(timedelta(hours=2))
        messages.redeliver_pending()

        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert store.pending(before=now() + timedelta(days=1), limit=9) == []

    def test_a_socket_that_cannot_be_asked_for_long_leads_to_a_push(
        self,
        messages: Messages,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        broker: FakeBroker,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.failed = True
        messages.send(ANA, chat.id, draft())
        assert broker.published == []

        later(timedelta(hours=2))
        messages.redeliver_pending()

        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert store.pending(before=now() + timedelta(days=1), limit=9) == []

    def test_a_store_that_is_down_refuses(
        self, messages: Messages, chat: Chat, store: FakeMessageStore, gateway: FakeGateway
    ) -> None:
        store.fail_on = {"append"}
        with pytest.raises(Unavailable):
            messages.send(ANA, chat.id, draft())

        assert gateway.sent == []

    def test_g4_a_stranger_cannot_tell_the_chat_from_none(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        errors = []
        for chat_id in (chat.id, NOWHERE):
            for call in (
                lambda c: messages.send(CY, c, draft()),
                lambda c: messages.chat(CY, c),
                lambda c: messages.history(CY, c, before=None, limit=5),
                lambda c: messages.changes(CY, c, since=0, limit=5),
                lambda c: messages.read(CY, c, 1),
                lambda c: messages.delivered(CY, c, 1),
                lambda c: messages.typing(CY, c, True),
            ):
                with pytest.raises(ChatNotFound) as caught:
                    call(chat_id)
                errors.append(caught.value.to_wire())

        assert all(error == errors[0] for error in errors)
        assert gateway.sent == []


class TestReceipts:
    def test_a_moved_cursor_is_told_to_everyone_and_strikes_out_what_was_owed(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        messages.send(BO, chat.id, draft())
        message, _ = messages.send(ANA, chat.id, draft())
        gateway.sent.clear()

        messages.delivered(BO, chat.id, message.seq)

        assert {to for to, _ in gateway.sent} == {ANA_ID, BO_ID}
        assert gateway.sent[0][1]["data"] == {
            "chat_id": chat.id,
            "user_id": BO_ID,
            "read_seq": 0,
            "delivered_seq": message.seq,
        }
        assert gateway.struck == [Owed(BO_ID, chat.id, message.seq)]

    def test_what_is_known_tells_nobody_but_still_strikes_out(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        first, _ = messages.send(ANA, chat.id, draft())
        message, _ = messages.send(ANA, chat.id, draft(client_id="x2"))
        messages.read(BO, chat.id, message.seq)
        gateway.sent.clear()

        messages.read(BO, chat.id, first.seq)
        messages.delivered(BO, chat.id, message.seq)

        assert gateway.sent == []
        assert len(gateway.struck) == 3

    def test_g2_a_repeated_read_sends_the_receipt_again(
        self,
        messages: Messages,
        chat: Chat,
        gateway: FakeGateway,
        store: FakeMessageStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        messages.send(BO, chat.id, draft())
        message, _ = messages.send(ANA, chat.id, draft())
        gateway.sent.clear()
        move = store.move_cursors

        def loses_its_answer(*arguments: Any, **cursors: Any) -> None:
            move(*arguments, **cursors)
            monkeypatch.undo()
            raise Unavailable("messages")

        monkeypatch.setattr(store, "move_cursors", loses_its_answer)
        with pytest.raises(Unavailable):
            messages.read(BO, chat.id, message.seq)
        assert gateway.sent == []

        messages.read(BO, chat.id, message.seq)

        assert {to for to, _ in gateway.sent} == {ANA_ID, BO_ID}

    def test_g1_what_a_program_received_no_phone_has(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, _ = messages.send(ANA, chat.id, draft())
        gateway.sent.clear()
        program = replace(BO, client_id="board")

        messages.delivered(program, chat.id, message.seq)

        assert (gateway.sent, gateway.struck) == ([], [])
        cursors = messages.cursors([(chat.id, BO_ID)])[chat.id, BO_ID]
        assert cursors.receipt.delivered_seq == 0
        with pytest.raises(ChatNotFound):
            messages.delivered(program, NOWHERE, 1)

    def test_a_receipt_that_cannot_be_told_is_kept(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, _ = messages.send(ANA, chat.id, draft())
        gateway.sick = True

        messages.read(BO, chat.id, message.seq)

        cursors = messages.cursors([(chat.id, BO_ID)])[chat.id, BO_ID]
        assert cursors.receipt.read_seq == message.seq

    def test_typing_goes_to_the_others(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        for one in (ANA, BO):
            messages.send(one, chat.id, draft())
        gateway.sent.clear()

        messages.typing(ANA, chat.id, True)

        assert [(to, event["event"]) for to, event in gateway.sent] == [(BO_ID, "chat.typing")]


class TestStrangers:
    """A member who has not written gets messages, and reveals nothing to their sender."""

    def test_somebody_who_has_not_answered_gets_three_messages(
        self, messages: Messages, chat: Chat, gateway: FakeGateway, broker: FakeBroker
    ) -> None:
        gateway.online = {ANA_ID}
        for number in range(3):
            messages.send(ANA, chat.id, draft(client_id=f"m{number}"))
        gateway.sent.clear()

        with pytest.raises(NotAnswered) as refused:
            messages.send(ANA, chat.id, draft(client_id="m3"))
        again, new = messages.send(ANA, chat.id, draft(client_id="m1"))

        assert (refused.value.code, refused.value.status) == ("not_answered", 403)
        assert (again.client_id, new) == ("m1", False)
        assert len(broker.published) == 3
        assert gateway.sent == []
        messages.send(BO, chat.id, draft())
        assert messages.send(ANA, chat.id, draft(client_id="m3"))[1]

    def test_receipts_are_told_to_ones_own_sockets_only(
        self, messages: Messages, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, _ = messages.send(ANA, chat.id, draft())
        gateway.sent.clear()

        messages.read(BO, chat.id, message.seq)
        messages.delivered(BO, chat.id, message.seq)

        assert [(to, event["event"]) for to, event in gateway.sent] == [(BO_ID, "chat.receipt")]
        assert gateway.struck == [Owed(BO_ID, chat.id, message.seq)] * 2

    @pytest.mark.parametrize("typist", [ANA, BO])
    def test_typing_is_told_to_nobody(
        self, messages: Messages, chat: Chat, gateway: FakeGateway, typist: Identity
    ) -> None:
        messages.send(ANA, chat.id, draft())
        gateway.sent.clear()

        messages.typing(typist, chat.id, True)

        assert gateway.sent == []

    def test_sync_tells_of_no_receipts(self, messages: Messages, chat: Chat) -> None:
        message, _ = messages.send(ANA, chat.id, draft())
        messages.read(BO, chat.id, message.seq)

        (item,) = messages.sync(ANA, {}).items

        assert not item.chat.answered
        assert {one.user_id: one.read_seq for one in item.chat.members} == {ANA_ID: 0, BO_ID: 0}


class TestCatchUp:
    def send(self, messages: Messages, chat: Chat, count: int, size: int = 2) -> list[Message]:
        return [
            messages.send((ANA, BO)[n % 2], chat.id, draft("é" * size, client_id=f"m{n}"))[0]
            for n in range(count)
        ]

    def test_pages_of_history_reach_the_first_message(self, messages: Messages, chat: Chat) -> None:
        sent = self.send(messages, chat, 7)
        found, before = [], None
        while True:
            page = messages.history(BO, chat.id, before=before, limit=3)
            found += page.items
            if page.next is None:
                break
            before = int(page.next)

        assert found == sent[::-1]

    def test_an_answer_holds_no_more_than_a_socket_can_take(
        self, messages: Messages, chat: Chat
    ) -> None:
        sent = self.send(messages, chat, 30, size=4096)

        page = messages.changes(BO, chat.id, since=0, limit=50)
        assert len(page.model_dump_json()) < 128 * 1024
        assert page.more

        found = list(page.items)
        while page.more:
            page = messages.changes(BO, chat.id, since=page.rev, limit=50)
            found += page.items
        assert found == sent

        history = messages.history(BO, chat.id, before=None, limit=50)
        assert len(history.model_dump_json()) < 128 * 1024
        assert history.next is not None

    def test_sync_answers_with_the_chats_that_have_news(
        self, messages: Messages, chat: Chat
    ) -> None:
        other, _ = messages.open_direct(ANA, CY_ID)
        sent = self.send(messages, chat, 3)
        known = {chat.id: sent[0].rev, other.id: 0}

        news = messages.sync(ANA, known)

        assert [(item.chat.id, item.changes, item.rev) for item in news.items] == [
            (chat.id, sent[1:], sent[2].rev)
        ]
        assert not news.more

    def test_sync_tells_of_chats_the_client_has_never_seen(
        self, messages: Messages, chat: Chat
    ) -> None:
        sent = self.send(messages, chat, 60)

        (item,) = messages.sync(BO, {}).items

        assert item.changes == sent[-50:]
        assert not item.more

    def test_sync_repeated_with_what_it_told_reaches_everything(
        self, messages: Messages, store: FakeMessageStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = {}
        for number in range(23):
            user = Identity(user_id=f"00000000-0000-7000-8000-0000000001{number:02}", session_id="")
            monkeypatch.setattr(messages, "_users", lambda: FakeUsers([ANA_ID]))
            chat, _ = messages.open_direct(user, ANA_ID)
            for n in range(3):
                messages.send(user, chat.id, draft("é" * 4000, client_id=f"m{n}"))
            expected[chat.id] = {"m0", "m1", "m2"}
        known: dict[str, int] = {}
        found: dict[str, set[str]] = {}
        for _ in range(30):
            news = messages.sync(ANA, known)
            assert len(news.model_dump_json()) < 128 * 1024
            for item in news.items:
                known[item.chat.id] = item.rev
                found.setdefault(item.chat.id, set()).update(m.client_id for m in item.changes)
            if not news.more and not any(item.more for item in news.items):
                break

        assert found == expected

    def test_a_cursor_from_nowhere_is_refused(self, messages: Messages) -> None:
        for cursor in ["x", "AAAA", "99999999999999999999 x", "LTEgeA"]:
            with pytest.raises(ValidationFailed):
                messages.chats(ANA, ChatQuery(cursor=cursor))

    def test_pages_of_chats_follow_their_cursor(self, messages: Messages) -> None:
        for other in (BO_ID, CY_ID):
            messages.open_direct(ANA, other)

        first = messages.chats(ANA, ChatQuery(limit=1))
        second = messages.chats(ANA, ChatQuery(limit=1, cursor=first.next))

        assert first.next is not None
        assert second.next is None
        assert first.items[0].id != second.items[0].id


class TestJobs:
    @pytest.fixture
    def overdue(
        self,
        messages: Messages,
        chat: Chat,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        """A message that nobody was told of in time."""
        gateway.sick = True
        messages.send(ANA, chat.id, draft())
        gateway.sick = False
        later(timedelta(minutes=1))

    def test_g1_what_stayed_pending_is_delivered_once_it_is_old_enough(
        self,
        messages: Messages,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.sick = True
        message, _ = messages.send(ANA, chat.id, draft())
        gateway.sick = False

        assert messages.redeliver_pending() == 0
        later(timedelta(seconds=31))
        assert messages.redeliver_pending() == 1

        assert {(to, event["data"]["id"]) for to, event in gateway.sent} == {
            (ANA_ID, message.id),
            (BO_ID, message.id),
        }
        assert messages.redeliver_pending() == 0

    def test_one_that_fails_does_not_end_the_job_with_an_error(
        self,
        messages: Messages,
        chat: Chat,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.sick = True
        messages.send(ANA, chat.id, draft())
        later(timedelta(seconds=31))

        assert messages.redeliver_pending() == 0

    @pytest.mark.parametrize("error", [Unavailable("gateway"), ZeroDivisionError()])
    def test_g1_many_that_always_fail_keep_back_nobody(
        self,
        messages: Messages,
        chat: Chat,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
    ) -> None:
        gateway.sick = True
        monkeypatch.setattr(service, "JOB_BATCH", 3)
        for number in range(7):
            messages.send((ANA, BO)[number % 2], chat.id, draft("bad", client_id=f"bad{number}"))
        good, _ = messages.send(ANA, chat.id, draft("good", client_id="good"))
        gateway.sick = False
        deliver = gateway.deliver

        def fails(user_ids: Any, event: Any, **named: Any) -> Any:
            if event.data.content.text == "bad":
                raise error
            return deliver(user_ids, event, **named)

        monkeypatch.setattr(gateway, "deliver", fails)
        for minutes in (1, 3, 30, 90):
            later(timedelta(minutes=minutes))
            gateway.sent.clear()
            assert messages.redeliver_pending() == (minutes == 1)
            assert {event["data"]["id"] for _, event in gateway.sent} <= {good.id}

    def test_g1_what_fails_slowly_keeps_back_nothing_for_ever(
        self,
        messages: Messages,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A run has time for one message; the good one is behind thirty others."""
        gateway.sick = True
        for minutes in range(60, 29, -1):
            sent_at = now() - timedelta(minutes=minutes)
            monkeypatch.setattr(store, "now", lambda at=sent_at: at)
            text = "good" if minutes == 31 else "bad"
            messages.send((ANA, BO)[minutes % 2], chat.id, draft(text, client_id=f"m{minutes}"))
        monkeypatch.setattr(store, "now", now)
        clock = count(step=service.JOB_SECONDS)
        told = []

        def slow(user_ids: Any, event: Any, **named: Any) -> Any:
            next(clock)
            told.append(event.data.content.text)
            raise Unavailable("gateway")

        monkeypatch.setattr(gateway, "deliver", slow)
        monkeypatch.setattr(service, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        monkeypatch.setattr(service, "random", random.Random(1))
        for _ in range(200):
            messages.redeliver_pending()

        assert "good" in told

    @pytest.mark.usefixtures("overdue")
    def test_g9_a_run_of_redelivery_ends_in_time(
        self, messages: Messages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "JOB_SECONDS", -1)

        assert messages.redeliver_pending() == 0

    @pytest.mark.usefixtures("overdue")
    def test_g9_a_run_of_redelivery_begins_nothing_in_its_functions_last_seconds(
        self, messages: Messages
    ) -> None:
        deadline.begin(service.LAST_SECONDS - 1)
        found = messages.redeliver_pending()
        deadline.begin(service.LAST_SECONDS + 5)
        again = messages.redeliver_pending()
        deadline.end()

        assert (found, again) == (0, 1)

    def test_g1_a_socket_that_swallowed_a_message_leads_to_a_push(
        self, messages: Messages, chat: Chat, owing: FakeOwing, broker: FakeBroker
    ) -> None:
        one, _ = messages.send(ANA, chat.id, draft())
        two, _ = messages.send(ANA, chat.id, draft(client_id="x2"))
        three, _ = messages.send(ANA, chat.id, draft(client_id="x3"))
        messages.delivered(BO, chat.id, one.seq)
        owing.overdue = [Owed(BO_ID, chat.id, two.seq)]

        messages.push_overdue()

        assert [(event.message_id, event.user_ids) for event in broker.published] == [
            (two.id, [BO_ID])
        ]
        assert owing.settled == [Owed(BO_ID, chat.id, two.seq)]
        assert three.seq > two.seq

    def test_g1_one_that_always_fails_keeps_back_nobody(
        self,
        messages: Messages,
        chat: Chat,
        owing: FakeOwing,
        store: FakeMessageStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        message, _ = messages.send(ANA, chat.id, draft())
        owing.overdue = [Owed(BO_ID, NOWHERE, 1), Owed(BO_ID, chat.id, message.seq)]
        undelivered = store.undelivered

        def odd(chat_id: str, **named: Any) -> Any:
            return undelivered(chat_id, **named) if chat_id != NOWHERE else 1 / 0

        monkeypatch.setattr(store, "undelivered", odd)

        assert messages.push_overdue() == 2
        assert owing.settled == [Owed(BO_ID, chat.id, message.seq)]

    def test_g9_a_run_ends_in_time(
        self, messages: Messages, owing: FakeOwing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "JOB_SECONDS", -1)
        owing.overdue = [Owed(BO_ID, NOWHERE, 1)]

        assert messages.push_overdue() == 0
        assert owing.settled == []

    def test_g1_no_more_is_settled_than_was_pushed(
        self,
        messages: Messages,
        chat: Chat,
        owing: FakeOwing,
        broker: FakeBroker,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(service, "PUSH_PAGE", 2)
        messages.send(BO, chat.id, draft())
        sent = [messages.send(ANA, chat.id, draft(client_id=f"x{n}"))[0] for n in range(5)]
        owing.overdue = [Owed(BO_ID, chat.id, sent[3].seq, since=sent[0].seq)]

        messages.push_overdue()

        assert [event.message_id for event in broker.published] == [sent[0].id, sent[1].id]
        assert owing.settled == [Owed(BO_ID, chat.id, sent[1].seq, since=sent[0].seq)]

    def test_what_could_not_be_pushed_stays_owed(
        self, messages: Messages, chat: Chat, owing: FakeOwing, broker: FakeBroker
    ) -> None:
        message, _ = messages.send(ANA, chat.id, draft())
        owing.overdue = [Owed(BO_ID, chat.id, message.seq), Owed(BO_ID, NOWHERE, 1)]
        broker.sick = True

        messages.push_overdue()

        assert owing.settled == [Owed(BO_ID, NOWHERE, 1)]


def test_errors_carry_no_text(messages: Messages, chat: Chat) -> None:
    with pytest.raises(AppError) as caught:
        messages.send(CY, chat.id, draft("hunter2"))

    assert "hunter2" not in str(caught.value.to_wire())
