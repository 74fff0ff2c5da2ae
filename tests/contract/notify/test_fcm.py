"""Sending pushes, to a stand-in that answers as Google does."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Coroutine, Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic_core import to_json

from chalicelib import metrics
from chalicelib.drivers.http import IDLE_SECONDS
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.notify import fcm as module
from chalicelib.notify.fcm import AT_ONCE, Fcm
from chalicelib.notify.models import NewPush, Outcome, ProgramPush, Push
from local.keys import ServiceAccount
from local.stand_ins.fcm import Fcm as StandIn
from local.stand_ins.pushes import Pushes
from tests.proxy import Proxy

SENDER, CHAT = new_id(), new_id()


class Google:
    """The stand-in, served by a thread."""

    def __init__(self, account: ServiceAccount) -> None:
        self.pushes = Pushes()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.stand_in = StandIn(account=account, pushes=self.pushes, url=self.url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Google":
        self._thread.start()
        self._run(self.stand_in.start(self.listener))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.stand_in.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    @property
    def arrived(self) -> list[str]:
        return [push["token"] for push in reversed(self.pushes.after(0))]


@pytest.fixture(scope="module")
def account() -> ServiceAccount:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return ServiceAccount(pem.decode())


@pytest.fixture
def google(account: ServiceAccount) -> Iterator[Google]:
    with Google(account) as google:
        yield google


@pytest.fixture
def fcm(google: Google, monkeypatch: pytest.MonkeyPatch) -> Fcm:
    """Waits longer than a busy machine takes."""
    monkeypatch.setattr(module, "REQUEST_SECONDS", 8.0)
    return Fcm(google.stand_in.credentials(), google.stand_in.send_url)


def push(token: str = "phone-1", *, title: str = "Ana", body: str = "Grüße 👋") -> Push:
    return Push(token, new_id(), CHAT, 7, SENDER, title, body)


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


class TestSending:
    def test_shows_who_wrote_what(self, fcm: Fcm, google: Google) -> None:
        one = push()

        assert fcm.send([one]) == [Outcome("sent")]

        (shown,) = google.pushes.after(0)
        assert (shown["token"], shown["title"], shown["body"]) == ("phone-1", "Ana", "Grüße 👋")
        assert shown["data"] == {
            "message_id": one.message_id,
            "chat_id": CHAT,
            "seq": "7",
            "sender_id": SENDER,
        }

    def test_g6_shows_a_message_once_however_often_it_is_sent(
        self, fcm: Fcm, google: Google
    ) -> None:
        one = push()

        fcm.send([one, one])
        fcm.send([one])

        (shown,) = google.pushes.after(0)
        assert shown["collapse_key"] == one.message_id
        assert shown["count"] == 3

    def test_shows_different_messages_one_by_one(self, fcm: Fcm, google: Google) -> None:
        fcm.send([push(), push()])

        assert google.arrived == ["phone-1", "phone-1"]

    def test_answers_in_order_beyond_what_is_sent_at_once(self, fcm: Fcm, google: Google) -> None:
        tokens = [f"phone-{n}" for n in range(2 * AT_ONCE + 50)]
        tokens[3] = tokens[AT_ONCE + 7] = "fail-unregistered"

        outcomes = fcm.send([push(token) for token in tokens])

        gone = [n for n, outcome in enumerate(outcomes) if outcome.state == "gone"]
        assert gone == [3, AT_ONCE + 7]
        assert sorted(google.arrived) == sorted(set(tokens) - {"fail-unregistered"})

    def test_cuts_what_fcm_would_refuse_for_its_size(self, fcm: Fcm, google: Google) -> None:
        outcomes = fcm.send([push(title="Å" * 3000, body="👋" * 3000)])

        assert states(outcomes) == ["sent"]
        (shown,) = google.pushes.after(0)
        assert shown["title"].endswith("Å…")
        assert shown["body"].endswith("👋…")

    @pytest.mark.parametrize("char", ['"', "\\", "\n", "x", "é", "\u20ac", "👋"], ids=ascii)
    def test_the_largest_push_of_a_program_fits(self, fcm: Fcm, google: Google, char: str) -> None:
        """Also where each character takes twice its bytes in JSON."""
        data = {f"k{n}": "" for n in range(19)}
        room = 2048 - len(json.dumps(data | {"k": ""}, separators=(",", ":")))
        data["k"] = char * (room // len(to_json(char)[1:-1]))
        new = NewPush(user_ids=[SENDER], title="T" + char * 99, body="B" + char * 499, data=data)
        notice = ProgramPush(token="phone", tag="t", title=new.title, body=new.body, extra=new.data)

        assert fcm.send([notice]) == [Outcome("sent")]

    @pytest.mark.parametrize("char", ['"', "\\", "é", "👋", "\u0301"], ids=ascii)
    def test_the_largest_push_of_a_message_fits(self, fcm: Fcm, google: Google, char: str) -> None:
        text = TextContent(kind="text", text="a" + char * 4095)

        assert fcm.send([push(title=char * 64, body=text.preview())]) == [Outcome("sent")]

    def test_nothing_to_send_is_no_call(self, google: Google) -> None:
        unused = Fcm(google.stand_in.credentials(), "http://127.0.0.1:1")

        assert unused.send([]) == []

    def test_g6_says_per_platform_what_makes_it_one_notification(self) -> None:
        one = push()

        message = module._message(one)

        assert message.android.notification.tag == one.message_id
        # FCM keeps four collapse keys a device: with one per message, more would be lost.
        assert message.android.collapse_key is None
        assert message.android.priority == "high"
        assert message.apns.headers["apns-collapse-id"] == one.message_id
        assert message.apns.payload.aps.thread_id == CHAT
        assert message.webpush.notification.tag == one.message_id


class TestAnswers:
    @pytest.mark.parametrize(
        ("token", "outcome"),
        [
            ("fail-unregistered", Outcome("gone", "UnregisteredError")),
            ("fail-sender", Outcome("invalid", "SenderIdMismatchError")),
            ("fail-invalid", Outcome("gone", "InvalidArgumentError")),
            ("fail-quota", Outcome("retry", "QuotaExceededError", 1)),
            ("fail-503", Outcome("retry", "UnavailableError", 1)),
            ("fail-500", Outcome("retry", "InternalError")),
        ],
    )
    def test_of_fcm_decide_the_outcome_of_a_push(
        self, fcm: Fcm, google: Google, token: str, outcome: Outcome
    ) -> None:
        assert fcm.send([push(token), push("phone-2")]) == [outcome, Outcome("sent")]
        assert google.arrived == ["phone-2"]

    def test_that_do_not_come_in_time_are_asked_for_again(
        self, fcm: Fcm, google: Google, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fcm.send([push("phone-1")])
        monkeypatch.setattr(module, "REQUEST_SECONDS", 2.0)
        hasty = Fcm(google.stand_in.credentials(), google.stand_in.send_url)
        # On a busy machine, to fetch a token may take as long.
        hasty._bearer.token, hasty._bearer.expiry = fcm._bearer.token, fcm._bearer.expiry

        outcomes = hasty.send([push("slow-9"), push("phone-2")])

        assert outcomes == [Outcome("retry", "DeadlineExceededError"), Outcome("sent")]
        assert google.arrived == ["phone-1", "phone-2"]

    @pytest.mark.parametrize("kind", ["503", "500", "quota"])
    def test_are_not_retried_by_the_library(self, fcm: Fcm, google: Google, kind: str) -> None:
        """The library would try again by itself, for seconds; our queue does that."""
        assert states(fcm.send([push(f"fail-{kind}x1-phone")])) == ["retry"]

        assert states(fcm.send([push(f"fail-{kind}x1-phone")])) == ["sent"]

    def test_for_one_device_do_not_make_fcm_unavailable(self, fcm: Fcm, google: Google) -> None:
        metrics.begin()

        fcm.send([push("fail-503"), push("phone-2")])
        fcm.send([push("fail-quota")])

        assert metrics.lines("dev") == []

    def test_about_anything_but_the_token_do_not_cost_the_token(
        self, fcm: Fcm, google: Google, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "BODY_BYTES", 100_000)

        outcomes = fcm.send([push(body="x" * 5000), push("phone-2")])

        assert outcomes == [Outcome("invalid", "InvalidArgumentError"), Outcome("sent")]


class TestValidating:
    def test_pushes_to_no_device(self, fcm: Fcm, google: Google) -> None:
        assert fcm.validate() == Outcome("sent")
        assert google.pushes.after(0) == []

    def test_says_that_an_account_is_refused(self, google: Google) -> None:
        stranger = json.loads(google.stand_in.credentials())
        stranger["client_email"] = "someone@else"

        assert Fcm(json.dumps(stranger), google.stand_in.send_url).validate() == Outcome(
            "retry", "RefreshError"
        )

    def test_says_that_google_cannot_be_reached(self, google: Google) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]

        outcome = Fcm(google.stand_in.credentials(), f"http://127.0.0.1:{port}/{{0}}").validate()

        assert outcome == Outcome("retry", "UnavailableError")


class TestAccess:
    def test_is_asked_for_once(self, fcm: Fcm, google: Google) -> None:
        fcm.send([push(f"phone-{n}") for n in range(AT_ONCE)])
        fcm.send([push()])

        assert len(google.stand_in._tokens) == 1

    def test_that_has_ended_is_renewed(self, fcm: Fcm, google: Google) -> None:
        fcm.send([push("phone-1")])
        google.stand_in._tokens.clear()

        assert states(fcm.send([push("phone-2")])) == ["retry"]
        assert states(fcm.send([push("phone-2")])) == ["sent"]

    def test_that_is_refused_puts_all_off(self, google: Google, account: ServiceAccount) -> None:
        stranger = json.loads(google.stand_in.credentials())
        stranger["client_email"] = "someone@else"
        fcm = Fcm(json.dumps(stranger), google.stand_in.send_url)

        assert fcm.send([push(), push()]) == [Outcome("retry", "RefreshError")] * 2

    def test_starts_no_search_for_googles_metadata_server(
        self, fcm: Fcm, google: Google, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[str] = []
        start = threading.Thread.start

        def watched(thread: threading.Thread) -> None:
            started.append(type(thread).__module__)
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", watched)
        fcm.send([push()])

        assert started == ["threading"], "one worker, and nothing of google-auth"


class TestASickGoogle:
    def test_that_cannot_be_reached_puts_all_off(
        self, google: Google, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        no_send, no_token = [_through(google, port, what) for what in ("send", "token")]
        metrics.begin()

        assert no_send.send([push()] * 3) == [Outcome("retry", "UnavailableError")] * 3
        assert no_token.send([push()] * 3) == [Outcome("retry", "TransportError")] * 3

        (line,) = metrics.lines("dev")
        assert json.loads(line)["Dependency"] == "fcm"
        assert json.loads(line)["DependencyUnavailable"] == 2

    @pytest.mark.parametrize("what", ["token", "send"])
    def test_g9_that_freezes_is_not_waited_for(
        self, google: Google, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        monkeypatch.setattr(module, "REQUEST_SECONDS", 0.5)
        with Proxy(*google.listener.getsockname()) as proxy:
            proxy.freeze()
            fcm = _through(google, proxy.port, what)
            before = time.monotonic()

            outcomes = fcm.send([push(f"phone-{n}") for n in range(20)])

        assert states(outcomes) == ["retry"] * 20
        assert time.monotonic() - before < 5

    @pytest.mark.parametrize("what", ["token", "send"])
    def test_g9_that_drips_is_not_waited_for(
        self, google: Google, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        monkeypatch.setattr(module, "REQUEST_SECONDS", 0.5)
        with Proxy(*google.listener.getsockname()) as proxy:
            proxy.drip = 0.1
            fcm = _through(google, proxy.port, what)
            before = time.monotonic()

            outcomes = fcm.send([push(f"phone-{n}") for n in range(20)])

        assert states(outcomes) == ["retry"] * 20
        assert time.monotonic() - before < 3

    @pytest.mark.parametrize("harm", ["forget", "cut"])
    @pytest.mark.parametrize("what", ["token", "send"])
    def test_with_broken_kept_connections_is_asked_over_new_ones(
        self, google: Google, monkeypatch: pytest.MonkeyPatch, what: str, harm: str
    ) -> None:
        monkeypatch.setattr(module, "REQUEST_SECONDS", 4.0)
        with Proxy(*google.listener.getsockname()) as proxy:
            fcm = _through(google, proxy.port, what)
            assert set(states(fcm.send([push(f"slow-0.2-{n}") for n in range(8)]))) == {"sent"}
            getattr(proxy, harm)()
            fcm._bearer.token = None

            assert fcm.send([push()]) == [Outcome("sent")]

    @pytest.mark.parametrize("what", ["token", "send"])
    def test_whose_connections_idled_too_long_is_asked_over_new_ones(
        self, google: Google, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        monkeypatch.setattr(module, "REQUEST_SECONDS", 4.0)
        with Proxy(*google.listener.getsockname()) as proxy:
            fcm = _through(google, proxy.port, what)
            assert set(states(fcm.send([push(f"slow-0.2-{n}") for n in range(8)]))) == {"sent"}
            proxy.forget()
            later = time.time() + IDLE_SECONDS + 1
            monkeypatch.setattr(time, "time", lambda: later)
            fcm._bearer.token = None

            found = [fcm.send([push()]) for _ in range(8)]

        assert found == [[Outcome("sent")]] * 8

    def test_is_given_up_on_when_time_is_over(
        self, google: Google, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "AT_ONCE", 2)
        fcm = Fcm(google.stand_in.credentials(), google.stand_in.send_url, seconds=1)

        outcomes = fcm.send([push(f"slow-0.7-{n}") for n in range(12)])

        assert states(outcomes)[:2] == ["sent", "sent"]
        assert outcomes[-2:] == [Outcome("retry", "OutOfTime")] * 2
        assert states(outcomes).count("sent") == len(google.arrived)


def _through(google: Google, port: int, what: str) -> Fcm:
    """A client that asks another port for a token, or to send."""
    where = {"token": google.stand_in.credentials(), "send": google.stand_in.send_url}
    near, far = f"127.0.0.1:{port}", google.url.removeprefix("http://")
    where[what] = where[what].replace(far, near)
    return Fcm(where["token"], where["send"])
