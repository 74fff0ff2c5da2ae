"""The outbox of mails is emptied: at least once, a bounded number of times, whatever fails."""

import logging
from types import SimpleNamespace

import pyotp
import pytest
from chalice import Chalice

from chalicelib import metrics
from chalicelib.auth.models import PasswordChange, PasswordProof
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.errors import Unavailable
from chalicelib.identity import Source
from chalicelib.mail import letters, service
from chalicelib.mail.jobs import send_mails
from chalicelib.mail.service import DELAYS
from tests.unit.auth.fakes import auth_settings
from tests.unit.auth.sessions.test_jobs import EVENT
from tests.unit.conftest import PASSWORD, World, make_world, token_in
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


def test_one_mailbox_gets_few_mails_about_those_who_claim_it(world: World) -> None:
    world.register()
    for n in range(9):
        world.register(f"eve_{n}", "ana@example.org")

    assert len(world.mailed()) == 1 + 5
    assert world.tables.mails == {}
    assert len(world.tables.links) == 1 + 5


def test_a_verified_owner_is_mailed_whatever_strangers_claim(world: World) -> None:
    world.verified()
    for n in range(9):
        world.register(f"eve_{n}", "ana@example.org")
    assert [one.subject for one in world.mailed()] == ["Your e-mail address was given again"] * 5

    world.request_reset("ana@example.org")

    assert world.told() == ["Set a new password"]


def test_notices_are_sent_at_a_limited_rate_and_none_is_dropped(
    world: World,
) -> None:
    """A thief who has all secrets of an account cannot keep the notices about them back."""
    ana = world.verified()
    identity = world.identity(ana)
    for _ in range(5):
        world.login()
        assert len(world.mailed()) == 1
    change = PasswordChange(current_password=PASSWORD, new_password="battery staple")
    world.login()
    world.password_changes.change(identity, change)
    assert world.mailed() == []
    world.throttle.taken.clear()
    world.clock.go(minutes=15)

    (letter,) = world.mailed()

    assert letter.subject == "Changes to your account"
    assert "- A new device signed in" in letter.text
    assert "- The password was changed, on 01 January 2026" in letter.text
    assert world.tables.notices == {}


def test_a_notice_that_fails_comes_again_with_what_happened_since(world: World) -> None:
    identity = world.identity(world.verified())
    world.login()
    world.ses.refusing = 1
    assert world.mailed() == []
    enrolled = world.second_factor.set_up(identity, PasswordProof(password=PASSWORD))
    code = pyotp.TOTP(enrolled.secret).at(world.clock())
    world.second_factor.confirm(identity, SecondFactorCode(code=code))
    world.clock.go(seconds=DELAYS[0])

    (letter,) = world.mailed()

    assert "A new device signed in" in letter.text
    assert "A second factor was turned on" in letter.text


def test_a_notice_that_always_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    world = make_world(auth_settings(rate_limits=rates({"reset.target": 99})))
    world.verified()
    world.login()
    world.ses.refusing = 1000
    for delay in (*DELAYS, 0):
        assert world.tables.notices
        world.mails.send_due()
        world.clock.go(seconds=delay)

    assert world.tables.notices == {}
    assert caplog.records[-1].message == "mail given up"


def test_a_notice_is_not_given_up_with_an_older_one() -> None:
    world = make_world(auth_settings(rate_limits=rates({"reset.target": 99})))
    identity = world.identity(world.verified())
    world.login()
    world.ses.refusing = len(DELAYS) + 1
    for delay in DELAYS:
        world.mails.send_due()
        world.clock.go(seconds=delay)
    change = PasswordChange(current_password=PASSWORD, new_password="battery staple")
    world.password_changes.change(identity, change)
    world.mails.send_due()
    world.clock.go(seconds=DELAYS[-1])

    (letter,) = world.mailed()

    assert "- The password was changed" in letter.text


def test_a_kind_of_the_version_before_is_passed_over(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.tables.mail("passkey", "some id", world.clock())  # type: ignore[arg-type]

    assert world.mailed() == []
    assert world.tables.mails == {}
    assert caplog.records[-1].message == "unknown kind of mail"


def test_without_an_address_of_ours_nothing_is_sent_and_nothing_piles_up() -> None:
    world = make_world(auth_settings(mail_from=""))
    world.register()

    assert world.mailed() == []
    assert world.tables.mails == {}
    assert world.tables.links == {}


def test_what_cannot_be_looked_up_now_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register()
    world.mailed()
    world.register("eve", "ana@example.org")

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
            world.request_reset("ana@example.org")
        world.mailed()
    (letter, *_) = world.ses.sent

    # The first event of a process sets logging up again, without pytest's handler.
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
def test_a_device_is_named_in_our_own_words(user_agent: str, said: str) -> None:
    assert letters.device(user_agent) == said


def test_a_mail_to_a_stranger_has_no_words_that_a_client_chose(world: World) -> None:
    client = Source(address="192.0.2.1", user_agent="BUY NOW")
    world.register("eve", "stranger@example.org")
    world.request_reset("stranger@example.org", client)

    for letter in world.mailed():
        assert "Eve" not in letter.text
        assert "BUY" not in letter.text


def test_a_ready_archive_is_mailed_to_a_verified_address_without_a_link(
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
