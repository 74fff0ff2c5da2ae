"""Pushes of programs: what phones show, and the answer to the program."""

from collections.abc import Collection

import pytest
from pydantic import ValidationError

from chalicelib.errors import Unavailable
from chalicelib.identity import Program
from chalicelib.ids import new_id
from chalicelib.notify.direct import DirectPush
from chalicelib.notify.models import NewPush, Outcome, PushOutcome
from chalicelib.users.device_models import PushTarget, PushTargets
from chalicelib.users.devices import Devices
from tests.fakes import FakeFcm

ANA, BO, CY = (new_id() for _ in range(3))
GOOD = {"user_ids": [ANA], "title": "Shop", "body": "Your shoes are here"}
SHOP = Program(id=new_id(), scopes=frozenset({"push.send"}))


class FakeDevices(Devices):
    """Ana has a phone and a tablet, Bo has a phone, Cy has none."""

    def __init__(self) -> None:
        self.targets = [
            PushTarget(ANA, "phone", "ana-phone", "android", previews=True),
            PushTarget(ANA, "tablet", "ana-tablet", "ios", previews=True),
            PushTarget(BO, "phone", "bo-phone", "web", previews=False),
        ]
        self.forgotten: list[str] = []
        self.away = False

    def push_targets(self, user_ids: Collection[str], sender_ids: Collection[str]) -> PushTargets:
        return PushTargets([one for one in self.targets if one.user_id in user_ids], {})

    def forget_push_tokens(self, tokens: Collection[str]) -> None:
        if self.away:
            raise Unavailable("postgres")
        self.forgotten += sorted(tokens)


class World:
    def __init__(self) -> None:
        self.users, self.fcm = FakeDevices(), FakeFcm()
        self.push = DirectPush(devices=self.users, fcm=self.fcm)

    def send(self, *user_ids: str, program: Program = SHOP, **more: object) -> list[PushOutcome]:
        new = {**GOOD, "user_ids": list(user_ids), **more}
        return self.push.send(program, NewPush.model_validate(new)).items


@pytest.fixture
def world() -> World:
    return World()


def test_every_device_is_pushed_to_and_counted(world: World) -> None:
    told = world.send(BO, ANA, data={"order": "17"})

    assert [(one.user_id, one.outcome, one.devices) for one in told] == [
        (BO, "sent", 1),
        (ANA, "sent", 2),
    ]
    shown = {one.token: (one.title, one.body, one.data()) for one in world.fcm.sent}
    assert shown["ana-phone"] == ("Shop", "Your shoes are here", {"order": "17"})


def test_with_previews_off_nothing_goes_out_that_can_be_read(world: World) -> None:
    world.send(BO, data={"order": "17", "text": "Your shoes are here"})

    (shown,) = world.fcm.sent
    assert (shown.title, shown.body, shown.data()) == ("Parley", "New notification", {})


def test_a_program_replaces_its_own_notifications_and_nobody_elses(world: World) -> None:
    other = Program(id=new_id(), scopes=SHOP.scopes)
    world.send(BO, collapse_key="order-17")
    world.send(BO, collapse_key="order-17")
    world.send(BO, collapse_key="order-18")
    world.send(BO, collapse_key="order-17", program=other)
    world.send(BO)
    world.send(BO)

    first, again, *others = [one.tag for one in world.fcm.sent]
    assert first == again
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("gone", "no_device"), ("retry", "try_again"), ("invalid", "refused")],
)
def test_what_did_not_arrive_is_answered(world: World, state: str, outcome: str) -> None:
    world.fcm.outcomes["bo-phone"] = Outcome(state)  # type: ignore[arg-type]

    assert world.send(BO, CY) == [
        PushOutcome(user_id=BO, outcome=outcome, devices=0),
        PushOutcome(user_id=CY, outcome="no_device", devices=0),
    ]
    assert world.users.forgotten == (["bo-phone"] if state == "gone" else [])


def test_one_device_that_took_it_is_enough(world: World) -> None:
    world.fcm.outcomes["ana-phone"] = Outcome("gone")
    world.users.away = True

    assert world.send(ANA) == [PushOutcome(user_id=ANA, outcome="sent", devices=1)]


def test_nobody_with_a_device_costs_fcm_nothing(world: World) -> None:
    assert [one.outcome for one in world.send(CY)] == ["no_device"]
    assert world.fcm.calls == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"user_ids": []},
        {"user_ids": ["x"]},
        {"user_ids": [ANA] * 101},
        {"title": ""},
        {"title": "x" * 101},
        {"body": "x" * 501},
        {"body": "\x00"},
        {"body": " \n"},
        {"body": "\u200b"},
        {"title": "\u3164\u202e"},
        {"title": "\ufe0f"},
        {"data": {"from": "x"}},
        {"data": {"message_type": "x"}},
        {"data": {"google.x": "x"}},
        {"data": {"google.c.a.e": "x"}},
        {"data": {"gcm.notification.title": "x"}},
        {"data": {"gcm.message_id": "x"}},
        {"data": {"aps": "x"}},
        {"data": {"collapse_key": "x"}},
        {"data": {"k": '"' * 2047}},
        {"data": {"k": "\\" * 1100}},
        {"data": {"k": "\n" * 1100}},
        {"data": {"message_id": "x"}},
        {"data": {"a b": "x"}},
        {"data": {"n": 1}},
        {"data": {"x": "é" * 1024}},
        {"data": {f"k{n}": "" for n in range(21)}},
        {"collapse_key": "x" * 65},
        {"collapse_key": ""},
        {"topic": "all"},
    ],
)
def test_what_a_push_cannot_be_is_refused(world: World, changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        world.push.send(SHOP, NewPush.model_validate({**GOOD, **changes}))
    assert world.fcm.calls == 0


@pytest.mark.parametrize("key", ["fromage", "shop.google", "apsis", "my.gcm"])
def test_other_keys_are_the_programs_own(world: World, key: str) -> None:
    assert world.send(BO, data={key: "x"})[0].outcome == "sent"


def test_a_program_learns_how_long_its_data_may_be(world: World) -> None:
    with pytest.raises(ValidationError, match="at most 2,048 bytes as JSON"):
        world.send(BO, data={"k": '"' * 2047})
    assert world.send(BO, data={"k": '"' * 1020})[0].outcome == "sent"
