"""Mails by SES's API: the stand-in, moto's, and servers that misbehave."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.drivers import http
from chalicelib.mail.models import Letter
from chalicelib.mail.ses import MailRefused, Ses
from local.options import _bind, url
from local.sigv4 import Verifier
from local.stand_ins.mails import Mails
from local.stand_ins.ses import Ses as StandIn
from tests.contract.drivers.serving import serving
from tests.unit.settings import settings

LETTER = Letter("ana@example.org", "Grüße", "Line one\nhttps://x/#verify=t\n")


def given(where: str, **changes: Any) -> Settings:
    known = {"aws_access_key_id": "AKID", "aws_secret_access_key": "s/+"}
    return settings(**{**known, "mail_url": where, "mail_from": "us@example.com", **changes})


@pytest.fixture
def mails() -> Mails:
    return Mails()


@pytest.fixture
def stand_in(mails: Mails) -> Iterator[str]:
    listener = _bind(0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = StandIn(verifier=Verifier("AKID", "s/+", "ses"), mails=mails, url=url(listener))
    asyncio.run_coroutine_threadsafe(server.start(listener), loop).result(10)
    yield server.url
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
    listener.close()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


class TestStandIn:
    def test_takes_a_mail_as_it_was_written(self, stand_in: str, mails: Mails) -> None:
        Ses(given(stand_in)).send(LETTER)

        (kept,) = mails.after(0)
        assert {key: kept[key] for key in ("sender", "to", "subject", "text")} == {
            "sender": "us@example.com",
            "to": LETTER.to,
            "subject": LETTER.subject,
            "text": LETTER.text,
        }

    def test_refuses_mails_with_a_wrong_signature(self, stand_in: str, mails: Mails) -> None:
        with pytest.raises(MailRefused, match="403"):
            Ses(given(stand_in, aws_secret_access_key="other")).send(LETTER)
        assert httpx.post(f"{stand_in}/v2/email/outbound-emails", json={}).status_code == 403
        assert mails.after(0) == []

    @pytest.mark.parametrize(
        ("to", "status"), [("rejected", "400"), ("throttled", "429"), ("503", "503")]
    )
    def test_refuses_mails_to_chosen_names(self, stand_in: str, to: str, status: str) -> None:
        with pytest.raises(MailRefused) as raised:
            Ses(given(stand_in)).send(Letter(f"fail-{to}@example.org", "s", "t"))

        assert str(raised.value) == status

    def test_refuses_for_a_while(self, stand_in: str, mails: Mails) -> None:
        ses, letter = Ses(given(stand_in)), Letter("fail-503x2-ana@example.org", "s", "t")
        for _ in range(2):
            with pytest.raises(MailRefused):
                ses.send(letter)

        ses.send(letter)

        assert len(mails.after(0)) == 1

    def test_refuses_what_ses_would_not_understand(self, stand_in: str) -> None:
        with pytest.raises(MailRefused, match="400"):
            Ses(given(stand_in)).send(Letter("ana@example.org", "a\nBcc: b@example.org", "t"))


def test_moto_takes_it_too(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 30.0)  # moto loads a service at its first request
    client = boto3.client(
        "sesv2", "us-east-1", endpoint_url=moto, aws_access_key_id="a", aws_secret_access_key="b"
    )
    with pytest.raises(MailRefused, match="400"):
        Ses(given(moto)).send(LETTER)
    client.create_email_identity(EmailIdentity="us@example.com")

    Ses(given(moto)).send(LETTER)

    (sent,) = httpx.get(f"{moto}/moto-api/data.json").json()["ses"]["Message"]
    assert LETTER.to in json.dumps(sent)


def test_g9_a_server_that_is_silent_or_gone_is_unavailable_in_time() -> None:
    metrics.begin()
    with serving(lambda *_: None) as silent, pytest.raises(MailRefused, match="Timeout"):
        Ses(given(f"http://127.0.0.1:{silent.port}")).send(LETTER)
    with pytest.raises(MailRefused, match="Refused"):
        Ses(given("http://127.0.0.1:1")).send(LETTER)
    assert metrics._missed == ["ses", "ses"]


def test_without_a_url_it_is_at_aws() -> None:
    ses = Ses(given("http://x").model_copy(update={"mail_url": None, "aws_region": "eu-west-1"}))

    assert ses._http.host == "email.eu-west-1.amazonaws.com"
