"""Lists of chats, history, changes and sync, on fakes."""

from typing import Any

import pytest

from chalicelib.errors import ChatNotFound, ValidationFailed
from chalicelib.identity import Identity
from chalicelib.messages.models.changes import ChangePage
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Message
from chalicelib.messages.pages import ChatQuery, MemberQuery
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeUsers
from tests.unit.messages.people import ANA, ANA_ID, BO, BO_ID, CY, CY_ID, draft


class TestCatchUp:
    def send(self, messages: Messaging, chat: Chat, count: int, size: int = 2) -> list[Message]:
        return [
            messages.sending.send((ANA, BO)[n % 2], chat.id, draft("é" * size, client_id=f"m{n}"))[
                0
            ]
            for n in range(count)
        ]

    def test_pages_of_history_reach_the_first_message(
        self, messages: Messaging, chat: Chat
    ) -> None:
        sent = self.send(messages, chat, 7)
        found, before = [], None
        while True:
            page = messages.reading.history(BO, chat.id, before=before, limit=3)
            found += page.items
            if page.next is None:
                break
            before = int(page.next)

        assert found == sent[::-1]

    def test_an_answer_holds_no_more_than_a_socket_can_take(
        self, messages: Messaging, chat: Chat
    ) -> None:
        sent = self.send(messages, chat, 30, size=4096)

        page = messages.reading.changes(BO, chat.id, since=0, limit=50)
        assert len(page.model_dump_json()) < 128 * 1024
        assert page.more

        found = list(page.items)
        while page.more:
            page = messages.reading.changes(BO, chat.id, since=page.rev, limit=50)
            found += page.items
        assert found == sent

        history = messages.reading.history(BO, chat.id, before=None, limit=50)
        assert len(history.model_dump_json()) < 128 * 1024
        assert history.next is not None

    def test_sync_answers_with_the_chats_that_have_news(
        self, messages: Messaging, chat: Chat
    ) -> None:
        other, _ = messages.opening.open_direct(ANA, CY_ID)
        sent = self.send(messages, chat, 3)
        known = {chat.id: sent[0].rev, other.id: 0}

        news = messages.reading.sync(ANA, known)

        assert [(item.chat.id, item.changes, item.rev) for item in news.items] == [
            (chat.id, sent[1:], sent[2].rev)
        ]
        assert not news.more

    def test_sync_tells_of_chats_the_client_has_never_seen(
        self, messages: Messaging, chat: Chat
    ) -> None:
        sent = self.send(messages, chat, 60)

        (item,) = messages.reading.sync(BO, {}).items

        assert item.changes == sent[-50:]
        assert not item.more

    def test_sync_repeated_with_what_it_told_reaches_everything(
        self, messages: Messaging, store: FakeMessageStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = {}
        for number in range(23):
            user = Identity(user_id=f"00000000-0000-7000-8000-0000000001{number:02}", session_id="")
            monkeypatch.setattr(messages.opening, "_users", lambda: FakeUsers([ANA_ID]))
            chat, _ = messages.opening.open_direct(user, ANA_ID)
            for n in range(3):
                messages.sending.send(user, chat.id, draft("é" * 4000, client_id=f"m{n}"))
            expected[chat.id] = {"m0", "m1", "m2"}
        known: dict[str, int] = {}
        found: dict[str, set[str]] = {}
        for _ in range(30):
            news = messages.reading.sync(ANA, known)
            assert len(news.model_dump_json()) < 128 * 1024
            for item in news.items:
                known[item.chat.id] = item.rev
                found.setdefault(item.chat.id, set()).update(m.client_id for m in item.changes)
            if not news.more and not any(item.more for item in news.items):
                break

        assert found == expected

    def test_a_cursor_from_nowhere_is_refused(self, messages: Messaging) -> None:
        for cursor in ["x", "AAAA", "99999999999999999999 x", "LTEgeA"]:
            with pytest.raises(ValidationFailed):
                messages.reading.chats(ANA, ChatQuery(cursor=cursor))

    def test_pages_of_chats_follow_their_cursor(self, messages: Messaging) -> None:
        for other in (BO_ID, CY_ID):
            messages.opening.open_direct(ANA, other)

        first = messages.reading.chats(ANA, ChatQuery(limit=1))
        second = messages.reading.chats(ANA, ChatQuery(limit=1, cursor=first.next))

        assert first.next is not None
        assert second.next is None
        assert first.items[0].id != second.items[0].id


class TestTheStateOfAChat:
    def test_comes_with_the_changes_if_its_own_change_is_among_them(
        self, messages: Messaging, chat: Chat, store: FakeMessageStore
    ) -> None:
        messages.sending.send(ANA, chat.id, draft())
        store.chats.rename(chat.id, member=ANA_ID, title="Us")
        messages.sending.send(ANA, chat.id, draft(client_id="second"))

        pages = [
            messages.reading.changes(BO, chat.id, since=since, limit=limit)
            for since, limit in ((0, 50), (1, 50), (2, 50), (0, 1))
        ]

        assert [page.state_rev for page in pages] == [2, 2, 2, 2]
        assert [page.chat is not None for page in pages] == [True, True, False, False]
        found = pages[0].chat
        assert found == messages.reading.chat(BO, chat.id)
        assert found is not None
        assert found.title == "Us"

    def test_comes_once_in_the_pages_of_changes(
        self, messages: Messaging, chat: Chat, store: FakeMessageStore
    ) -> None:
        for number in range(3):
            messages.sending.send(ANA, chat.id, draft(client_id=f"m{number}"))
        store.chats.rename(chat.id, member=ANA_ID, title="Us")
        rev, brought, more = 0, [], True
        while more:
            page = messages.reading.changes(BO, chat.id, since=rev, limit=1)
            brought.append(page.chat is not None)
            rev, more = page.rev, page.more

        assert (rev, brought) == (4, [False, False, True])

    def test_in_a_sync_is_never_older_than_the_rev(
        self,
        messages: Messaging,
        chat: Chat,
        store: FakeMessageStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The chat is renamed after the sync has read it and before it reads the changes."""
        messages.sending.send(ANA, chat.id, draft())
        changes = store.timeline.changes

        def renamed_before(chat_id: str, **query: Any) -> ChangePage | None:
            store.chats.rename(chat_id, member=ANA_ID, title="Us")
            return changes(chat_id, **query)

        monkeypatch.setattr(store.timeline, "changes", renamed_before)

        (item,) = messages.reading.sync(BO, {}).items

        assert (item.rev, item.chat.state_rev, item.chat.title) == (2, 2, "Us")


class TestMembers:
    def test_come_in_pages(self, messages: Messaging, chat: Chat) -> None:
        first = messages.reading.members(ANA, chat.id, MemberQuery(limit=1))
        second = messages.reading.members(ANA, chat.id, MemberQuery(limit=1, cursor=first.next))

        found = [one.user_id for page in (first, second) for one in page.items]
        assert found == sorted([ANA_ID, BO_ID])
        assert (first.next, second.next) == (found[0], None)

    def test_are_for_members_only(self, messages: Messaging, chat: Chat) -> None:
        with pytest.raises(ChatNotFound):
            messages.reading.members(CY, chat.id, MemberQuery())
