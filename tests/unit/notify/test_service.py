"""A batch of records: who gets a push, with which text, and how failures end."""

import json
import logging
from collections.abc import Collection
from typing import Any

import pytest

from chalicelib.broker.pushes import Canary, MessageUnread
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.messages.models.receipts import Receipt, ReceiptState
from chalicelib.messages.receipts import Receipts
from chalicelib.notify.canary import Canaries
from chalicelib.notify.models import Outcome, Record
from chalicelib.notify.service import Notifier
from chalicelib.notify.strangers import PushThrottle, UnansweredPush
from chalicelib.users.device_models import PushTarget, PushTargets
from chalicelib.users.devices import Devices
from chalicelib.wire import now
from tests.fakes import FakeBroker, FakeFcm

ANA, BO, CY = (new_id() for _ in range(3))
CHAT = new_id()
SECRET = "meet me at the old bridge"


class FakeDevices(Devices):
    """Bo and Cy have a phone each; Ana writes to them."""

    def __init__(self) -> None:
        self.targets = [
            PushTarget(BO, "phone", "token-bo", "android", previews=True),
            PushTarget(CY, "phone", "token-cy", "ios", previews=True),
        ]
        self.names = {ANA: "Ana"}
        self.forgotten: list[str] = []
        self.calls: list[str] = []
        self.error: Exception | None = None

    def push_targets(self, user_ids: Collection[str], sender_ids: Collection[str]) -> PushTargets:
        self._called("push_targets")
        return PushTargets(
            [target for target in self.targets if target.user_id in user_ids],
            {user_id: name for user_id, name in self.names.items() if user_id in sender_ids},
        )

    def forget_push_tokens(self, tokens: Collection[str]) -> None:
        self._called("forget_push_tokens")
        self.forgotten += tokens

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.error:
            raise self.error


class FakeReceipts(Receipts):
    """Knows how far each user has read, of those who are in the chat."""

    def __init__(self) -> None:
        self.read_seq = {BO: 0, CY: 0}
        self.asked: list[set[tuple[str, str]]] = []
        self.answered = True
        self.error: Exception | None = None

    def of(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], ReceiptState]:
        self.asked.append(set(pairs))
        if self.error:
            raise self.error
        return {
            (chat_id, user_id): ReceiptState(
                Receipt(chat_id=chat_id, user_id=user_id, read_seq=read_seq, delivered_seq=0),
                moved=False,
                answered=self.answered,
                seen_by=[],
            )
            for chat_id, user_id in pairs
            if (read_seq := self.read_seq.get(user_id)) is not None
        }


class FakeThrottle(PushThrottle):
    """Lets nobody through but those who are `let_in`."""

    def __init__(self) -> None:
        self.counted: list[list[UnansweredPush]] = []
        self.let_in: set[str] = set()
        self.sick = False

    def too_many(self, pushes: Collection[UnansweredPush]) -> set[UnansweredPush]:
        self.counted.append(list(pushes))
        if self.sick:
            raise Unavailable("redis")
        return {one for one in pushes if one.user_id not in self.let_in}


class FakeCanaries(Canaries):
    def __init__(self) -> None:
        self.recorded: list[tuple[str, Canary]] = []
        self.error: Exception | None = None

    def record(self, canaries: Collection[tuple[str, Canary]]) -> None:
        if self.error:
            raise self.error
        self.recorded += canaries


class World:
    def __init__(self) -> None:
        self.canaries = FakeCanaries()
        self.users = FakeDevices()
        self.receipts = FakeReceipts()
        self.fcm = FakeFcm()
        self.broker = FakeBroker()
        self.throttle = FakeThrottle()
        self.notifier = self.with_devices(self.users)

    def with_devices(self, devices: Devices) -> Notifier:
        return Notifier(
            devices=devices,
            receipts=self.receipts,
            fcm=self.fcm,
            broker=self.broker,
            canaries=lambda: self.canaries,
            throttle=self.throttle,
        )

    def notify(self, *records: Record) -> None:
        self.notifier.notify(list(records))

    @property
    def told(self) -> list[str]:
        return [push.token for push in self.fcm.sent]

    @property
    def retried_to(self) -> list[list[str]]:
        return [json.loads(body)["user_ids"] for body, _ in self.broker.retried]


@pytest.fixture
def world() -> World:
    return World()


def unread(*user_ids: str, seq: int = 7, **changes: Any) -> MessageUnread:
    return MessageUnread(
        message_id=new_id(),
        chat_id=CHAT,
        seq=seq,
        sender_id=ANA,
        preview=SECRET,
        sent_at=now(),
        user_ids=list(user_ids),
    ).model_copy(update=changes)


def record(*user_ids: str, attempt: int = 0, **changes: Any) -> Record:
    return Record(unread(*user_ids, **changes).model_dump_json().encode(), 2, attempt)


class TestStrangers:
    """Of a chat in which both have not written yet, few messages ring a phone."""

    def test_pushes_over_the_limit_are_dropped(self, world: World) -> None:
        world.receipts.answered = False
        world.throttle.let_in = {CY}

        event = unread(BO, CY)
        world.notify(Record(event.model_dump_json().encode()))

        assert world.told == ["token-cy"]
        assert world.broker.retried == world.broker.dead == []
        (counted,) = world.throttle.counted
        assert set(counted) == {UnansweredPush(one, CHAT, event.message_id) for one in (BO, CY)}

    def test_users_who_answered_are_not_limited(self, world: World) -> None:
        world.notify(record(BO))

        assert world.told == ["token-bo"]
        assert world.throttle.counted == [[]]

    def test_g1_pushes_that_cannot_be_counted_go_out(self, world: World) -> None:
        world.receipts.answered = False
        world.throttle.sick = True

        world.notify(record(BO))

        assert world.told == ["token-bo"]


class TestWhatIsShown:
    def test_the_sender_and_a_preview(self, world: World) -> None:
        event = unread(BO)

        world.notify(Record(event.model_dump_json().encode()))

        (push,) = world.fcm.sent
        assert (push.token, push.title, push.body) == ("token-bo", "Ana", SECRET)
        assert push.data() == {
            "message_id": event.message_id,
            "chat_id": CHAT,
            "seq": "7",
            "sender_id": ANA,
        }

    def test_with_previews_off_neither_sender_nor_text(self, world: World) -> None:
        world.users.targets[0] = world.users.targets[0]._replace(previews=False)

        world.notify(record(BO, CY))

        shown = {push.token: (push.title, push.body) for push in world.fcm.sent}
        assert shown == {"token-bo": ("Parley", "New message"), "token-cy": ("Ana", SECRET)}
        (data,) = [push.data() for push in world.fcm.sent if push.token == "token-bo"]
        assert set(data) == {"message_id", "chat_id", "seq"}

    def test_a_sender_without_a_name_is_the_app(self, world: World) -> None:
        world.users.names = {}

        world.notify(record(BO))

        assert world.fcm.sent[0].title == "Parley"


class TestWhoIsPushedTo:
    def test_every_device_of_a_user(self, world: World) -> None:
        world.users.targets.append(PushTarget(BO, "tablet", "token-2", "android", True))

        world.notify(record(BO))

        assert world.told == ["token-bo", "token-2"]

    def test_nobody_without_a_device(self, world: World) -> None:
        world.users.targets = []

        world.notify(record(BO))

        assert world.fcm.calls == 0
        assert world.receipts.asked == []
        assert world.broker.sent == []

    @pytest.mark.parametrize(("read_seq", "told"), [(6, ["token-bo"]), (7, []), (8, [])])
    def test_g6_not_to_a_user_who_has_read_it_meanwhile(
        self, world: World, read_seq: int, told: list[str]
    ) -> None:
        world.receipts.read_seq[BO] = read_seq

        world.notify(record(BO, seq=7))

        assert world.told == told

    def test_not_to_a_user_who_has_left_the_chat(self, world: World) -> None:
        del world.receipts.read_seq[BO]

        world.notify(record(BO, CY))

        assert world.told == ["token-cy"]

    def test_every_message_of_a_batch(self, world: World) -> None:
        world.notify(record(BO, seq=7), record(BO, seq=8))

        assert [push.seq for push in world.fcm.sent] == [7, 8]

    def test_an_event_for_nobody(self, world: World) -> None:
        world.notify(record())

        assert world.users.calls == []
        assert world.broker.sent == []


def test_a_batch_costs_one_call_each(world: World) -> None:
    world.fcm.outcomes = {"token-bo": Outcome("gone"), "token-cy": Outcome("gone")}

    world.notify(record(BO), record(CY), record(BO, CY))

    assert world.users.calls == ["push_targets", "forget_push_tokens"]
    assert world.receipts.asked == [{(CHAT, BO), (CHAT, CY)}]
    assert world.fcm.calls == 1


class TestDeadTokens:
    def test_are_forgotten_and_not_tried_again(self, world: World) -> None:
        world.fcm.outcomes["token-bo"] = Outcome("gone", "UnregisteredError")

        world.notify(record(BO, CY))

        assert world.users.forgotten == ["token-bo"]
        assert world.told == ["token-cy"]
        assert world.broker.sent == []

    def test_that_cannot_be_forgotten_now_stop_nothing(self, world: World) -> None:
        class Sick(FakeDevices):
            def forget_push_tokens(self, tokens: Collection[str]) -> None:
                raise Unavailable("postgres")

        world.fcm.outcomes["token-bo"] = Outcome("gone")
        world.with_devices(Sick()).notify([record(BO, CY)])

        assert world.told == ["token-cy"]
        assert world.broker.sent == []


class TestFailures:
    def test_come_again_for_those_they_failed_for(self, world: World) -> None:
        world.fcm.outcomes["token-bo"] = Outcome("retry", "UnavailableError")

        world.notify(record(BO, CY), record(CY))

        assert world.told == ["token-cy", "token-cy"]
        assert world.retried_to == [[BO]]
        assert world.broker.retried[0][1]["reason"] == "UnavailableError"
        assert world.broker.retried[0][1]["tries"] == 1

    def test_keep_the_message_as_it_was(self, world: World) -> None:
        world.fcm.outcomes["token-bo"] = Outcome("retry", "UnavailableError")
        event = unread(BO, CY)

        world.notify(Record(event.model_dump_json().encode()))

        again = MessageUnread.model_validate_json(world.broker.retried[0][0])
        assert again.to(event.user_ids) == event.model_copy(update={"sent_at": again.sent_at})

    def test_of_one_device_of_a_user_count_once(self, world: World) -> None:
        world.users.targets.append(PushTarget(BO, "tablet", "token-2", "android", True))
        world.fcm.outcomes = {t: Outcome("retry", "X") for t in ("token-bo", "token-2")}

        world.notify(record(BO))

        assert world.retried_to == [[BO]]

    def test_wait_as_long_as_fcm_asks(self, world: World) -> None:
        world.fcm.outcomes = {
            "token-bo": Outcome("retry", "QuotaExceededError", 60),
            "token-cy": Outcome("retry", "QuotaExceededError", 1),
        }

        world.notify(record(BO, CY))

        assert world.broker.retried[0][1]["attempt"] == 3

    def test_are_laid_aside_after_the_fourth_retry(self, world: World) -> None:
        world.fcm.outcomes["token-bo"] = Outcome("retry", "UnavailableError")

        world.notify(record(BO, attempt=4))

        assert world.broker.retried == []
        assert world.broker.dead[0][1]["reason"] == "UnavailableError"

    @pytest.mark.parametrize("reason", ["InvalidArgumentError", "SenderIdMismatchError"])
    def test_that_will_never_succeed_are_logged_and_given_up_and_cost_no_token(
        self, world: World, caplog: pytest.LogCaptureFixture, reason: str
    ) -> None:
        world.fcm.outcomes["token-bo"] = Outcome("invalid", reason)

        world.notify(record(BO, CY))

        (told,) = [vars(one) for one in caplog.records if one.levelno == logging.ERROR]
        assert told["reason"] == reason
        assert world.told == ["token-cy"]
        assert world.broker.sent == []
        assert world.users.forgotten == []

    @pytest.mark.parametrize("sick", ["users", "receipts"])
    @pytest.mark.parametrize("error", [Unavailable("x"), ZeroDivisionError()])
    def test_of_a_server_send_all_records_to_the_retry_queue(
        self, world: World, sick: str, error: Exception
    ) -> None:
        getattr(world, sick).error = error

        world.notify(record(BO), record(CY, BO))

        assert world.told == []
        assert world.retried_to == [[BO], sorted([CY, BO])]
        assert world.broker.retried[0][1]["reason"] == type(error).__name__

    def test_that_cannot_be_put_off_fail_the_batch(self, world: World) -> None:
        world.fcm.outcomes["token-bo"] = Outcome("retry", "UnavailableError")
        world.broker.sick = True

        with pytest.raises(Unavailable):
            world.notify(record(BO))

    def test_rabbitmq_is_not_needed_if_no_push_fails(self, world: World) -> None:
        world.broker.sick = True

        world.notify(record(BO))

        assert world.told == ["token-bo"]


class TestRecordsThatCannotBeRead:
    @pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b'{"message_id":', b"{" * 99])
    def test_are_laid_aside_at_once(self, world: World, body: bytes) -> None:
        world.notify(Record(body, 1), record(BO))

        assert world.told == ["token-bo"]
        assert world.broker.retried == []
        assert [(dead, headers["queue"]) for dead, headers in world.broker.dead] == [
            (body, "push.1")
        ]

    @pytest.mark.parametrize(
        "changes",
        [
            {"unknown": 1},
            {"seq": "seven"},
            {"seq": -1},
            {"user_ids": ["'; DROP TABLE users"]},
            {"user_ids": None},
            {"chat_id": "x"},
            {"sent_at": "yesterday"},
        ],
    )
    def test_may_be_for_another_version_and_come_again(
        self, world: World, changes: dict[str, Any]
    ) -> None:
        body = json.dumps({**json.loads(record(BO).body), **changes}).encode()

        world.notify(Record(body, 1, attempt=1), record(BO))

        assert world.told == ["token-bo"]
        assert world.broker.dead == []
        assert world.broker.retried == [
            (body, {"attempt": 2, "tries": 2, "reason": "ValidationError"})
        ]

    @pytest.mark.parametrize("body", [b"[]", b"null", b"7", b"{}"])
    def test_of_another_shape_come_again_too(self, world: World, body: bytes) -> None:
        world.notify(Record(body))

        assert [body for body, _ in world.broker.retried] == [body]


def test_g8_no_text_name_or_token_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.fcm.outcomes = {"token-bo": Outcome("gone"), "token-cy": Outcome("invalid")}
    bad = json.dumps({**json.loads(record(BO).body), "unknown": SECRET}).encode()
    world.notify(record(BO, CY), Record(bad), Record(SECRET.encode()))
    world.receipts.error = ValueError(SECRET)
    world.notify(record(BO))

    logged = "".join(
        str({k: v for k, v in vars(line).items() if not k.startswith("exc_")})
        for line in caplog.records
    )
    assert caplog.records
    for secret in (SECRET, "Ana", "token-bo"):
        assert secret not in logged


class TestCanary:
    def test_it_is_recorded_with_its_queue_and_pushed_to_nobody(self, world: World) -> None:
        canary = Canary(canary=new_id())

        world.notify(Record(canary.model_dump_json().encode(), shard=3), record(BO))

        assert world.canaries.recorded == [("push.3", canary)]
        assert world.told == ["token-bo"]
        assert not world.broker.sent

    def test_one_that_cannot_be_recorded_holds_up_no_push(self, world: World) -> None:
        world.canaries.error = Unavailable("redis")

        world.notify(Record(Canary(canary=new_id()).model_dump_json().encode()), record(BO))

        assert world.told == ["token-bo"]
        assert not world.broker.retried
