"""Owed acknowledgements, on a real Redis."""

import time
import uuid
from itertools import count
from typing import Any, cast

import redis

from chalicelib.identity import Identity
from chalicelib.ids import direct_chat_id
from chalicelib.live.connections import Connections
from chalicelib.live.keys import shard as shard_of
from chalicelib.live.models import Owed
from chalicelib.wire import now
from tests.contract.live.connections.people import CHAT, someone
from tests.contract.messages.store.room import Room
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker
from tests.unit.settings import settings


class TestOwing:
    def owe(self, connections: Connections, seq: int) -> tuple[Identity, Identity]:
        ana, bo = someone(), someone()
        connections.open(ana, "a" + ana.user_id)
        connections.open(bo, "b" + bo.user_id)
        self.send(connections, ana, bo, seq)
        return ana, bo

    def send(self, connections: Connections, ana: Identity, bo: Identity, seq: int) -> None:
        connections.of_owing(
            [ana.user_id, bo.user_id], chat_id=CHAT, seq=seq, sender_id=ana.user_id
        )

    def test_users_with_a_socket_owe_except_the_sender(self, connections: Connections) -> None:
        _, bo = self.owe(connections, 5)
        assert connections.claim_overdue(100) == []
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 5, since=5)]

    def test_a_user_without_a_socket_owes_nothing(self, connections: Connections) -> None:
        ana, bo = someone(), someone()
        self.send(connections, ana, bo, 5)
        time.sleep(1.1)

        assert connections.claim_overdue(100) == []

    def test_an_acknowledgement_removes_it(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        connections.of([ana.user_id], delivered=Owed(bo.user_id, CHAT, 5))
        time.sleep(1.1)

        assert connections.claim_overdue(100) == []

    def test_later_messages_stay_owed(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        self.send(connections, ana, bo, 6)
        connections.settle([Owed(bo.user_id, CHAT, 5)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=6)]

    def test_a_later_message_does_not_move_the_deadline(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        time.sleep(0.7)
        self.send(connections, ana, bo, 6)
        time.sleep(0.4)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_g1_earlier_messages_stay_owed_when_a_later_one_is_settled(
        self, connections: Connections
    ) -> None:
        ana, bo = self.owe(connections, 5)
        for seq in (6, 7):
            self.send(connections, ana, bo, seq)
        connections.settle([Owed(bo.user_id, CHAT, 7, since=7)])
        connections.settle([Owed(bo.user_id, CHAT, 9, since=9)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_later_messages_may_stay_overdue(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        self.send(connections, ana, bo, 6)
        connections.settle([Owed(bo.user_id, CHAT, 5)], rest_is_overdue=True)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=6)]

    def test_g1_an_earlier_message_that_comes_later_is_owed_too(
        self, connections: Connections
    ) -> None:
        ana, bo = self.owe(connections, 10)
        self.send(connections, ana, bo, 9)
        connections.settle([Owed(bo.user_id, CHAT, 10, since=10)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 9, since=9)]

    def test_a_claimed_one_is_not_claimed_again_before_its_time(
        self, connections: Connections
    ) -> None:
        self.owe(connections, 5)
        time.sleep(1.1)

        assert len(connections.claim_overdue(100)) == 1
        assert connections.claim_overdue(100) == []


class TestOverdue:
    """One user owes in hundreds of chats, as with a socket that never acknowledges anything."""

    def owe(self, connections: Connections, user_id: str, chats: int) -> list[str]:
        chat_ids = [str(uuid.uuid4()) for _ in range(chats)]
        connections.open(Identity(user_id=user_id, session_id="s"), user_id)
        for chat_id in chat_ids:
            connections.of_owing([user_id], chat_id=chat_id, seq=1, sender_id="")
        return chat_ids

    def neighbours(self) -> tuple[str, str]:
        """Two users in one shard."""
        one = str(uuid.uuid4())
        others = (str(uuid.uuid4()) for _ in count())
        return one, next(other for other in others if shard_of(other) == shard_of(one))

    def test_g1_all_of_it_can_be_claimed_at_once(self, connections: Connections) -> None:
        (greedy, _), found = self.neighbours(), []
        chat_ids = self.owe(connections, greedy, 12)
        time.sleep(1.1)

        while claimed := connections.claim_overdue(64):
            found += [owed.chat_id for owed in claimed]

        assert sorted(found) == sorted(chat_ids)

    def test_g1_many_of_one_user_delay_nobody_else(self, connections: Connections) -> None:
        greedy, modest = self.neighbours()
        self.owe(connections, greedy, 700)
        self.owe(connections, modest, 1)
        time.sleep(1.1)

        claims = [connections.claim_overdue(200) for _ in range(3)]

        assert modest in [owed.user_id for claimed in claims for owed in claimed]

    def test_g1_a_run_of_the_job_pushes_all_that_is_overdue(
        self, client: redis.Redis, connections: Connections
    ) -> None:
        greedy, modest = self.neighbours()
        store, broker, nobody = FakeMessageStore(), FakeBroker(), cast(Any, None)
        for user_id, chats in ((greedy, 301), (modest, 1)):
            connections.open(Identity(user_id=user_id, session_id="s"), user_id)
            for _ in range(chats):
                room = Room(store)
                room.id = direct_chat_id(room.ana, user_id)
                store.chats.open_direct(room.id, members=(room.ana, user_id), at=now())
                message = room.say(room.ana)
                connections.of_owing(
                    [user_id], chat_id=room.id, seq=message.seq, sender_id=room.ana
                )
        time.sleep(1.1)
        messages = Messaging(
            settings(),
            store=store,
            connections=connections,
            gateway=nobody,
            broker=lambda: broker,
            users=nobody,
        )

        assert messages.redelivery.push_overdue() == 302

        pushed = [user_id for event in broker.published for user_id in event.user_ids]
        assert sorted(pushed) == sorted([greedy] * 301 + [modest])
        assert pushed.index(modest) < 10
        assert client.keys("owed*") == []
