"""RabbitMQ's users for functions, made over the management API of a real RabbitMQ."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from pika.exceptions import (
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from chalicelib import schema
from chalicelib.broker import topology
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import PUSH_QUEUES, Failure
from chalicelib.broker.users import BrokerUsers
from chalicelib.config import SettingsInvalid
from chalicelib.errors import Unavailable
from tests.contract.broker.managed import Server, allowed
from tests.contract.broker.queues import unread
from tests.unit.settings import settings


class TestTheUserOfFunctions:
    def test_does_all_that_functions_do(self, url: str) -> None:
        topology.declare(url)
        topology.declare(url)
        with closing(Broker(url, retry_seconds=(0.1,) * 4)) as ours:
            ours.ping()
            ours.publish(unread("ana"))
            ours.retry([Failure(b"{}", shard=0, attempt=0, reason="x")])
            ours.bury([Failure(b"{}", shard=1, attempt=4, reason="x")])
            assert ours.redrive(10).moved == 1
        taken: list[bytes] = []
        assert allowed(url, lambda channel: taken.append(channel.basic_get("push.1", True)[2]))
        assert taken == [b"{}"]

    @pytest.mark.parametrize(
        "act",
        [
            lambda channel: channel.queue_declare("theirs"),
            lambda channel: channel.exchange_declare("theirs"),
            lambda channel: channel.queue_declare("push"),
            lambda channel: channel.queue_declare("notpush.1"),
            lambda channel: channel.basic_get("others"),
            lambda channel: channel.queue_delete("others"),
            lambda channel: channel.queue_purge("others"),
            lambda channel: channel.queue_bind("others", "parley.events", "x"),
            lambda channel: channel.queue_bind(PUSH_QUEUES[0], "amq.topic", "x"),
            lambda channel: channel.exchange_bind("amq.topic", "parley.events"),
            lambda channel: (
                channel.confirm_delivery(),
                channel.basic_publish("amq.topic", "x", b""),
            ),
        ],
    )
    def test_may_touch_nothing_else(
        self, server: Server, url: str, act: Callable[[Any], Any]
    ) -> None:
        topology.declare(url)
        assert allowed(server.amqp, lambda channel: channel.queue_declare("others"))

        assert not allowed(url, act)

    def test_has_no_access_to_other_virtual_hosts_and_the_management_api(
        self, server: Server, url: str
    ) -> None:
        assert server.ask("users/parley_app_1")["tags"] == []
        (rights,) = server.ask("users/parley_app_1/permissions")
        assert rights["vhost"] == "/"
        stranger = Server.__new__(Server)
        stranger.url, stranger.admin = server.url, ("parley_app_1", "of-the-application")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            stranger.ask("whoami")

    def test_what_is_not_a_user_of_functions_is_left_alone(
        self, server: Server, users: BrokerUsers
    ) -> None:
        with pytest.raises(SettingsInvalid, match="AMQP_URL: its user is not parley_app_<n>"):
            users.ensure(server.amqp)


class TestGenerations:
    def test_the_next_user_can_sign_in_before_the_last_one_is_removed(
        self, server: Server, users: BrokerUsers, url: str
    ) -> None:
        new = server.user(2, "another")
        given = settings(broker_admin=server.administered(server.admin[1]), amqp_url=new)

        users.ensure(new)
        assert allowed(url, lambda channel: None)
        assert allowed(new, lambda channel: None)

        assert schema.retire(given) == ["parley_app_1"]
        assert schema.retire(given) == []
        assert allowed(new, lambda channel: None)
        with pytest.raises((ProbableAuthenticationError, ProbableAccessDeniedError)):
            allowed(url, lambda channel: None)

    def test_a_password_that_changed_is_set(self, server: Server, users: BrokerUsers) -> None:
        users.ensure(server.user(3, "first"))
        users.ensure(server.user(3, "second"))

        assert allowed(server.user(3, "second"), lambda channel: None)


class TestTheAdministrator:
    def test_gets_the_last_of_the_passwords_if_any_of_them_was_valid(self, server: Server) -> None:
        for valid, wanted in ((server.first[1], "second"), ("second", "third")):
            passwords = server.administered(valid, "never-set", wanted)
            for _ in range(2):  # a run that was cut off is done again
                BrokerUsers(passwords).ensure(server.user(1))
            server.admin = (server.first[0], wanted)
            assert server.ask("whoami")["name"] == server.first[0]
        assert "administrator" in server.ask(f"users/{server.first[0]}")["tags"]

        BrokerUsers(server.administered("third", server.first[1])).ensure(server.user(1))
        server.admin = server.first
        assert server.ask("whoami")["name"] == server.first[0]

    def test_a_refused_administrator_is_reported_without_a_password(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(Unavailable) as caught:
            BrokerUsers(server.administered("hunter2")).ensure(server.user(1))

        assert caught.value.dependency == "rabbitmq management"
        assert "hunter2" not in caplog.text

    @pytest.mark.parametrize("text", ["{}", '{"url": "x"}', '{"hunter2'])
    def test_a_malformed_one_is_reported_without_its_values(self, text: str) -> None:
        with pytest.raises(SettingsInvalid, match="BROKER_ADMIN: not a url") as caught:
            BrokerUsers(text)

        assert "hunter2" not in str(caught.value)

    def test_a_management_that_does_not_answer_is_unavailable(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        nobody = {"url": f"http://127.0.0.1:{port}", "username": "x", "passwords": ["x"]}

        with pytest.raises(Unavailable):
            BrokerUsers(json.dumps(nobody)).ensure("amqp://parley_app_1:x@127.0.0.1/%2F")
