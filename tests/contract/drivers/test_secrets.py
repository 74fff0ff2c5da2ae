"""Settings from Secrets Manager, as moto plays it, and from servers that misbehave."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

from chalicelib.config import Settings, SettingsInvalid
from chalicelib.drivers import http, secrets
from chalicelib.drivers.sigv4 import SKEW_SECONDS
from chalicelib.errors import Unavailable
from tests.contract.drivers.serving import Server, serving
from tests.unit.settings import ENVIRONMENT

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s/+"}
SECRET_NAMES = ["POSTGRES_URL", "MESSAGES_URL", "REDIS_URL", "AMQP_URL"]
PLAIN = {k: v for k, v in ENVIRONMENT.items() if k.endswith(("ISSUER", "WS_URL", "ENDPOINT_URL"))}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def keep(url: str) -> Iterator[Callable[[str], str]]:
    """Keeps a value as a secret and answers its ARN."""
    session = boto3.Session("AKID", "s/+", region_name=REGION)
    client = session.client("secretsmanager", endpoint_url=url)
    kept: list[str] = []

    def keep(value: str) -> str:
        name = f"parley-test-{len(kept)}"
        kept.append(client.create_secret(Name=name, SecretString=value)["ARN"])
        return kept[-1]

    yield keep
    for arn in kept:
        client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def load(url: str, *arns: str, **environment: str) -> Settings:
    where = {"AWS_REGION": REGION, "SECRETS_URL": url, "SECRETS": ",".join(arns)}
    return Settings.load({**PLAIN, **KEYS, **where, **environment})


def stored(*names: str) -> str:
    return json.dumps({name: ENVIRONMENT[name] for name in names})


class TestReading:
    def test_all_secrets_make_the_settings_whole(
        self, url: str, keep: Callable[[str], str]
    ) -> None:
        arns = [keep(stored(*SECRET_NAMES)), keep('{"JWT_KEYS": "{}", "other": 1}')]

        given = load(url, *arns, keep(stored("FCM_CREDENTIALS")))

        assert given.redis_url.get_secret_value() == ENVIRONMENT["REDIS_URL"]
        assert given.jwt_keys.get_secret_value() == "{}"

    def test_a_variable_wins_unless_it_is_empty(self, url: str, keep: Callable[[str], str]) -> None:
        arn = keep(stored(*SECRET_NAMES, "JWT_KEYS", "FCM_CREDENTIALS"))

        given = load(url, arn, REDIS_URL="redis://mine", AMQP_URL="")

        assert given.redis_url.get_secret_value() == "redis://mine"
        assert given.amqp_url.get_secret_value() == ENVIRONMENT["AMQP_URL"]

    def test_an_empty_one_is_reported_by_what_it_will_hold(
        self, url: str, keep: Callable[[str], str]
    ) -> None:
        with pytest.raises(SettingsInvalid, match="REDIS_URL: Field required") as caught:
            load(url, keep(stored("POSTGRES_URL", "MESSAGES_URL")), keep("{}"))

        assert "POSTGRES_URL" not in str(caught.value)

    @pytest.mark.parametrize("value", ["hunter2", "[]", '"hunter2"', '{"hunter2'])
    def test_one_that_is_no_object_is_named(
        self, url: str, keep: Callable[[str], str], value: str
    ) -> None:
        arn = keep(value)

        with pytest.raises(SettingsInvalid, match=r"SECRETS: parley-test-0-\w+: its") as caught:
            load(url, arn)

        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("value", ["hunter2", 5, {"hunter2": 1}])
    def test_what_is_malformed_in_one_is_named_without_its_value(
        self, url: str, keep: Callable[[str], str], value: Any
    ) -> None:
        arn = keep(json.dumps({"AMQP_URL": value}))

        with pytest.raises(SettingsInvalid, match="AMQP_URL: ") as caught:
            load(url, arn)

        assert "hunter2" not in str(caught.value)

    def test_one_that_does_not_exist_is_named(self, url: str, keep: Callable[[str], str]) -> None:
        missing = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:gone-AbCdEf"

        with pytest.raises(SettingsInvalid, match="SECRETS: gone-AbCdEf: ResourceNotFound"):
            load(url, keep("{}"), missing)


def answering(*answers: tuple[int, bytes], date: str = "") -> AbstractContextManager[Server]:
    """A server that gives these answers in turn, and the last one for ever."""
    left = list(answers)

    def answer(connection: Any, _: bytes) -> None:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        head = f"HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return serving(answer)


def whole() -> tuple[int, bytes]:
    value = stored(*SECRET_NAMES, "JWT_KEYS", "FCM_CREDENTIALS")
    found = {"ARN": "a:secret:one", "Name": "one", "SecretString": value}
    return 200, json.dumps({"SecretValues": [found], "Errors": []}).encode()


class TestTheCall:
    @pytest.mark.parametrize("token", ["", "session-token"])
    def test_is_one_and_signed_as_botocore_signs(self, token: str) -> None:
        with answering(whole()) as server:
            load(f"http://127.0.0.1:{server.port}", "one", AWS_SESSION_TOKEN=token)

            (request,) = server.requests
        head, _, body = request.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert start == "POST / HTTP/1.1"
        assert json.loads(body) == {"SecretIdList": ["one"]}
        again = AWSRequest(
            "POST",
            f"http://{headers['host']}/",
            data=body.encode(),
            headers={n: headers[n] for n in ("host", "content-type", "x-amz-target")},
        )
        at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        with patch("botocore.auth.get_current_datetime", return_value=at):
            credentials = Credentials("AKID", "s/+", token or None)
            SigV4Auth(credentials, "secretsmanager", REGION).add_auth(again)
        assert headers["authorization"] == again.headers["Authorization"]
        assert headers.get("x-amz-security-token") == (token or None)

    @pytest.mark.parametrize(
        "trouble", [(500, b"oh"), (400, b'{"__type": "x#ThrottlingException"}'), (503, b"")]
    )
    def test_is_made_once_more_where_that_may_help(self, trouble: tuple[int, bytes]) -> None:
        with answering(trouble, whole()) as server:
            load(f"http://127.0.0.1:{server.port}", "one")

            assert len(server.requests) == 2

    @pytest.mark.parametrize("seconds", [-600, 600])
    def test_is_signed_by_the_clock_of_aws_once_a_refusal_has_shown_it(self, seconds: int) -> None:
        """AWS refuses what is signed five minutes early or late: no function would start."""
        refused = (400, b'{"__type": "InvalidSignatureException"}')
        theirs = time.time() + seconds
        with answering(refused, whole(), date=formatdate(theirs, usegmt=True)) as server:
            load(f"http://127.0.0.1:{server.port}", "one")

            _, again = server.requests
        stamp = again.partition(b"x-amz-date: ")[2][:16].decode()
        signed_at = datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        assert abs(signed_at - theirs) < SKEW_SECONDS

    def test_is_given_up_after_that(self) -> None:
        with answering((500, b"oh")) as server:
            with pytest.raises(Unavailable) as caught:
                load(f"http://127.0.0.1:{server.port}", "one")

            assert len(server.requests) == 2
        assert caught.value.dependency == "secrets"

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ((400, b'{"__type": "AccessDeniedException", "Message": "hunter2"}'), "AccessDenied"),
            ((403, b"hunter2"), "refuses: 403"),
            ((200, b"hunter2"), "not one of Secrets Manager"),
            ((200, b'{"SecretValues": [{"hunter2": 1}], "Errors": []}'), "not one of"),
            ((200, b'{"SecretValues": [], "Errors": []}'), "0 secrets came, and 1 were asked"),
        ],
    )
    def test_that_is_refused_says_why(self, answer: tuple[int, bytes], told: str) -> None:
        with answering(answer) as server:
            with pytest.raises(SettingsInvalid, match=told) as caught:
                load(f"http://127.0.0.1:{server.port}", "one")

            assert len(server.requests) == 1
        assert "SECRETS" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_has_an_end_when_nobody_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)
        monkeypatch.setattr(secrets, "PAUSE_SECONDS", 0.01)

        with serving(lambda *_: None) as server, pytest.raises(Unavailable):
            load(f"http://127.0.0.1:{server.port}", "one")
        with pytest.raises(Unavailable):
            load("http://127.0.0.1:9", "one")
