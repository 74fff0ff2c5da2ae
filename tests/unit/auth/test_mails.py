"""The outbox of mails is emptied: at least once, a bounded number of times, whatever fails."""

import logging
from types import SimpleNamespace

import pytest
from chalice import Chalice

from chalicelib import metrics
from chalicelib.auth.models import Client
from chalicelib.errors import Unavailable
from chalicelib.mail import letters, service
from chalicelib.mail.jobs import send_mails
from chalicelib.mail.service import DELAYS
from tests.unit.auth.conftest import World, make_world, token_in
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.auth.test_jobs import EVENT
from tests.unit.settings import rates


def test_a_mail_is_sent_once(world: World) -> None:
    world.register()

    assert len(world.mailed()) == 1
    world.clock.go(days=1)
    assert world.mailed() == []


def test_one_that_fails_comes_again_and_holds_up_nothing_else(world: World) -> None:
    world.register("ana")
    world.register("bo_")
    world.ses.refusing = 1

    assert [letter.to for letter in world.mailed()] == ["bo_@example.org"]
    assert world.mailed() == []
    world.clock.go(seconds=DELAYS[0])
    assert [letter.to for letter in world.mailed()] == ["ana@example.org"]
    assert world.tables.mails == {}


def test_one_that_always_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    world = make_world(auth_settings(rate_limits=rates({"reset.target": 99})))
    world.register()
    world.ses.refusing = 1000
    for delay in (*DELAYS, 0):
        assert world.tables.mails
        world.mails.send_due()
        world.clock.go(seconds=delay)

    assert world.tables.mails == {}
    assert world.ses.refusing == 1000 - len(DELAYS) - 1
    assert caplog.records[-1].message == "mail given up"
    assert ("MailsGivenUp", 1) in metrics._counted


def test_a_mail_that_was_asked_for_again_is_sent_once_and_soon(world: World) -> None:
    ana = world.register()
    world.ses.refusing = 1
    world.mails.send_due()

    world.recovery.request_verification(world.identity(ana))

    assert len(world.mailed()) == 1
    assert world.tables.mails == {}


def test_one_mailbox_gets_few_mails_of_a_kind(world: World) -> None:
    world.register()
    world.mailed()
    sent = 0
    for _ in range(9):
        world.recovery.request_reset("ana@example.org", PHONE)
        sent += len(world.mailed())

    assert sent == 5
    assert world.tables.mails == {}
    world.register("eve", "ana@example.org")
    assert len(world.mailed()) == 1


def test_without_an_address_of_ours_nothing_is_sent_and_nothing_piles_up() -> None:
    world = make_world(auth_settings(mail_from=""))
    world.register()

    assert world.mailed() == []
    assert world.tables.mails == {}
    assert world.tables.tokens == {}


def test_what_cannot_be_looked_up_now_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register()

    def down(*_: object) -> None:
        raise Unavailable("redis")

    monkeypatch.setattr(world.throttle, "mail", down)
    assert world.mailed() == []
    monkeypatch.undo()
    world.clock.go(seconds=DELAYS[0])

    assert len(world.mailed()) == 1


def test_a_run_ends_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        world.register(f"ana_{n}")
    ticks = iter([0.0, 0.0, 1.0, 99.0, 99.0])
    monkeypatch.setattr(service, "time", SimpleNamespace(monotonic=lambda: next(ticks, 99.0)))

    assert len(world.mailed()) == 1
    assert len(world.tables.mails) == 2


def test_g8_neither_addresses_nor_links_reach_the_log(
    app: Chalice,
    world: World,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        world.register()
        for refusing in (1, 0):
            world.ses.refusing = refusing
            world.clock.go(seconds=DELAYS[0])
            send_mails(EVENT, SimpleNamespace(aws_request_id="r1", function_name="mails"))
        for _ in range(9):
            world.recovery.request_reset("ana@example.org", PHONE)
        world.mailed()
    (letter, *_) = world.ses.sent

    # The first event of a process sets logging up anew, without what collects records here.
    said = capsys.readouterr().out + "".join(str(vars(record)) for record in caplog.records)
    assert "mail put off" in said
    for secret in (letter.to, token_in(letter)):
        assert secret not in said
    assert repr(letter) == "Letter()"


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Edg/120.0",
            "Edge on Windows",
        ),
        ("ParleyApp/3 (iPhone; iOS 17)", "an iPhone"),
        ("curl/8.0 visit http://evil.example now", "an unknown kind of device"),
        ("", "an unknown kind of device"),
    ],
)
def test_a_device_is_told_in_words_of_ours(user_agent: str, said: str) -> None:
    assert letters.device(user_agent) == said


def test_a_mail_to_a_stranger_carries_no_words_of_whoever_registered(world: World) -> None:
    client = Client(address="192.0.2.1", user_agent="BUY NOW")
    world.register("eve", "stranger@example.org")
    world.recovery.request_reset("stranger@example.org", client)

    for letter in world.mailed():
        assert "Eve" not in letter.text
        assert "BUY" not in letter.text


def test_that_an_archive_is_ready_is_told_to_a_verified_address_without_a_link(
    world: World,
) -> None:
    ana, bo = world.register("ana"), world.register("bo_")
    world.mailed()
    world.tables.verify(ana.user.id)
    for one in (ana, bo):
        world.tables.mail("export", one.user.id, world.clock())

    (letter,) = world.mailed()

    assert letter.to == "ana@example.org"
    assert "@ana" in letter.text
    assert "http" not in letter.text
