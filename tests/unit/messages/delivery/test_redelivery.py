"""The jobs, on fakes."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import deadline
from chalicelib.errors import (
    Unavailable,
)
from chalicelib.live.models import Owed
from chalicelib.messages.delivery import redelivery
from chalicelib.messages.models.chats import Chat
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker, FakeGateway, FakeOwing
from tests.unit.messages.people import ANA, ANA_ID, BO, BO_ID, NOWHERE, draft


class TestJobs:
    @pytest.fixture
    def overdue(
        self,
        messages: Messaging,
        chat: Chat,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        """A message that nobody was told of in time."""
        gateway.sick = True
        messages.sending.send(ANA, chat.id, draft())
        gateway.sick = False
        later(timedelta(minutes=1))

    def test_g1_what_stayed_pending_is_delivered_once_it_is_old_enough(
        self,
        messages: Messaging,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.sick = True
        message, _ = messages.sending.send(ANA, chat.id, draft())
        gateway.sick = False

        assert messages.redelivery.redeliver_pending() == 0
        later(timedelta(seconds=31))
        assert messages.redelivery.redeliver_pending() == 1

        assert {(to, event["data"]["id"]) for to, event in gateway.sent} == {
            (ANA_ID, message.id),
            (BO_ID, message.id),
        }
        assert messages.redelivery.redeliver_pending() == 0

    def test_one_that_fails_does_not_end_the_job_with_an_error(
        self,
        messages: Messaging,
        chat: Chat,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.sick = True
        messages.sending.send(ANA, chat.id, draft())
        later(timedelta(seconds=31))

        assert messages.redelivery.redeliver_pending() == 0

    @pytest.mark.parametrize("error", [Unavailable("gateway"), ZeroDivisionError()])
    def test_g1_many_that_always_fail_keep_back_nobody(
        self,
        messages: Messaging,
        chat: Chat,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
    ) -> None:
        gateway.sick = True
        monkeypatch.setattr(redelivery, "JOB_BATCH", 3)
        for number in range(7):
            messages.sending.send(
                (ANA, BO)[number % 2], chat.id, draft("bad", client_id=f"bad{number}")
            )
        good, _ = messages.sending.send(ANA, chat.id, draft("good", client_id="good"))
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
            assert messages.redelivery.redeliver_pending() == (minutes == 1)
            assert {event["data"]["id"] for _, event in gateway.sent} <= {good.id}

    def test_g1_what_fails_slowly_keeps_back_nothing_for_ever(
        self,
        messages: Messaging,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A run has time for one message; the good one is behind thirty others."""
        gateway.sick = True
        for minutes in range(60, 29, -1):
            sent_at = now() - timedelta(minutes=minutes)
            monkeypatch.setattr(store.timeline, "now", lambda at=sent_at: at)
            text = "good" if minutes == 31 else "bad"
            messages.sending.send(
                (ANA, BO)[minutes % 2], chat.id, draft(text, client_id=f"m{minutes}")
            )
        monkeypatch.setattr(store.timeline, "now", now)
        clock = count(step=redelivery.JOB_SECONDS)
        told = []

        def slow(user_ids: Any, event: Any, **named: Any) -> Any:
            next(clock)
            told.append(event.data.content.text)
            raise Unavailable("gateway")

        monkeypatch.setattr(gateway, "deliver", slow)
        monkeypatch.setattr(redelivery, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        monkeypatch.setattr(redelivery, "random", random.Random(1))
        for _ in range(200):
            messages.redelivery.redeliver_pending()

        assert "good" in told

    @pytest.mark.usefixtures("overdue")
    def test_g9_a_run_of_redelivery_ends_in_time(
        self, messages: Messaging, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redelivery, "JOB_SECONDS", -1)

        assert messages.redelivery.redeliver_pending() == 0

    @pytest.mark.usefixtures("overdue")
    def test_g9_a_run_of_redelivery_begins_nothing_in_its_functions_last_seconds(
        self, messages: Messaging
    ) -> None:
        deadline.begin(redelivery.LAST_SECONDS - 1)
        found = messages.redelivery.redeliver_pending()
        deadline.begin(redelivery.LAST_SECONDS + 5)
        again = messages.redelivery.redeliver_pending()
        deadline.end()

        assert (found, again) == (0, 1)

    def test_g1_a_socket_that_swallowed_a_message_leads_to_a_push(
        self, messages: Messaging, chat: Chat, owing: FakeOwing, broker: FakeBroker
    ) -> None:
        one, _ = messages.sending.send(ANA, chat.id, draft())
        two, _ = messages.sending.send(ANA, chat.id, draft(client_id="x2"))
        three, _ = messages.sending.send(ANA, chat.id, draft(client_id="x3"))
        messages.receipts.delivered(BO, chat.id, one.seq)
        owing.overdue = [Owed(BO_ID, chat.id, two.seq)]

        messages.redelivery.push_overdue()

        assert [(event.message_id, event.user_ids) for event in broker.published] == [
            (two.id, [BO_ID])
        ]
        assert owing.settled == [Owed(BO_ID, chat.id, two.seq)]
        assert three.seq > two.seq

    def test_g1_one_that_always_fails_keeps_back_nobody(
        self,
        messages: Messaging,
        chat: Chat,
        owing: FakeOwing,
        store: FakeMessageStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        message, _ = messages.sending.send(ANA, chat.id, draft())
        owing.overdue = [Owed(BO_ID, NOWHERE, 1), Owed(BO_ID, chat.id, message.seq)]
        undelivered = store.timeline.undelivered

        def odd(chat_id: str, **named: Any) -> Any:
            return undelivered(chat_id, **named) if chat_id != NOWHERE else 1 / 0

        monkeypatch.setattr(store.timeline, "undelivered", odd)

        assert messages.redelivery.push_overdue() == 2
        assert owing.settled == [Owed(BO_ID, chat.id, message.seq)]

    def test_g9_a_run_ends_in_time(
        self, messages: Messaging, owing: FakeOwing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redelivery, "JOB_SECONDS", -1)
        owing.overdue = [Owed(BO_ID, NOWHERE, 1)]

        assert messages.redelivery.push_overdue() == 0
        assert owing.settled == []

    def test_g1_no_more_is_settled_than_was_pushed(
        self,
        messages: Messaging,
        chat: Chat,
        owing: FakeOwing,
        broker: FakeBroker,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(redelivery, "PUSH_PAGE", 2)
        messages.sending.send(BO, chat.id, draft())
        sent = [messages.sending.send(ANA, chat.id, draft(client_id=f"x{n}"))[0] for n in range(5)]
        owing.overdue = [Owed(BO_ID, chat.id, sent[3].seq, since=sent[0].seq)]

        messages.redelivery.push_overdue()

        assert [event.message_id for event in broker.published] == [sent[0].id, sent[1].id]
        assert owing.settled == [Owed(BO_ID, chat.id, sent[1].seq, since=sent[0].seq)]

    def test_what_could_not_be_pushed_stays_owed(
        self, messages: Messaging, chat: Chat, owing: FakeOwing, broker: FakeBroker
    ) -> None:
        message, _ = messages.sending.send(ANA, chat.id, draft())
        owing.overdue = [Owed(BO_ID, chat.id, message.seq), Owed(BO_ID, NOWHERE, 1)]
        broker.sick = True

        messages.redelivery.push_overdue()

        assert owing.settled == [Owed(BO_ID, NOWHERE, 1)]
