"""RabbitMQ's users, made over the management API of a real RabbitMQ."""

import base64
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from pika.exceptions import (
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from chalicelib import schema
from chalicelib.broker import topology
from chalicelib.broker.cloud_events import CONTENT_TYPE, CloudEvent
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import PUSH_QUEUES, Failure
from chalicelib.broker.users import BrokerUsers
from chalicelib.config import SettingsInvalid
from chalicelib.domain_events.consumers import EventConsumers
from chalicelib.domain_events.models import TYPES, ConsumerAccount, SessionRevoked, UserRegistered
from chalicelib.errors import Unavailable
from local.servers.rabbitmq import RabbitMQ, program
from tests.contract.broker.queues import unread
from tests.unit.settings import settings


class Managed(RabbitMQ):
    """RabbitMQ with its management plugin, which the local cloud does without."""

    plugins = ("rabbitmq_management",)

    def prepare(self) -> None:
        super().prepare()
        self.management = self.choose_port("RabbitMQ's management")
        with (self.data / "rabbitmq.conf").open("a") as file:
            file.write("management.tcp.ip = 127.0.0.1\n")
            file.write(f"management.tcp.port = {self.management}\n")
        definitions = self.data / "definitions.json"
        held = json.loads(definitions.read_text())
        held["users"][0]["tags"] = "administrator"
        definitions.write_text(json.dumps(held))


class Server:
    """A broker, and what an administrator sees of it."""

    def __init__(self, server: Managed) -> None:
        self.amqp = server.url
        self.url = f"http://127.0.0.1:{server.management}"
        parts = urlsplit(server.url)
        self.admin = self.first = (parts.username or "", parts.password or "")

    def ask(self, path: str) -> Any:
        credentials = base64.b64encode(":".join(self.admin).encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/{path}", headers={"Authorization": f"Basic {credentials}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def administered(self, *passwords: str) -> str:
        """The setting BROKER_ADMIN."""
        return json.dumps({"url": self.url, "username": self.admin[0], "passwords": passwords})

    def user(self, generation: int, password: str = "of-the-application") -> str:
        """The URL of functions."""
        host = urlsplit(self.amqp).netloc.rpartition("@")[2]
        return f"amqp://parley_app_{generation}:{password}@{host}/%2F"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A RabbitMQ of its own. Skips where it has no management plugin."""
    state = tmp_path_factory.mktemp("managed")
    with (state / "lock").open("w") as lock:
        managed = Managed(state, print, lock=lock.fileno())
        system = program("rabbitmq-server").parents[4]
        if not list(system.glob("usr/lib/rabbitmq/lib/*/plugins/rabbitmq_management-*")):
            pytest.skip("RabbitMQ has no management plugin on this machine")
        managed.start()
        yield Server(managed)
        managed.stop()


@pytest.fixture
def users(server: Server) -> BrokerUsers:
    return BrokerUsers(server.administered(server.admin[1]))


@pytest.fixture
def url(server: Server, users: BrokerUsers) -> str:
    """Where functions are let in."""
    url = server.user(1)
    users.ensure(url)
    return url


def allowed(url: str, act: Callable[[Any], Any]) -> bool:
    """Whether a user may do something on a channel."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        try:
            act(connection.channel())
            return True
        except pika.exceptions.ChannelClosedByBroker as refused:
            if refused.reply_code != 403:
                raise
            return False


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

    def test_is_let_into_no_other_virtual_host_and_no_management(
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


class TestAConsumerOfEvents:
    @pytest.fixture
    def consumers(self, server: Server, users: BrokerUsers) -> EventConsumers:
        url = server.user(1)
        users.ensure(url)
        topology.declare(url)
        given = settings(broker_admin=server.administered(server.admin[1]), amqp_url=url)
        return EventConsumers(given)

    def test_gets_the_events_that_it_is_admitted_to(
        self, consumers: EventConsumers, url: str
    ) -> None:
        account = consumers.register("some", ["user.registered"])
        with closing(Broker(url)) as ours:
            ours.publish(unread("ana"))
            ours.publish_events([revoked(), registered()])
            ((_, properties, body), rest) = taken(account)
            account = consumers.register("some", ["session.revoked"])
            ours.publish_events([registered(), revoked()])
            later, none = taken(account)

        assert (properties.content_type, properties.delivery_mode) == (CONTENT_TYPE, 2)
        assert json.loads(body) == json.loads(registered().model_dump_json())
        assert properties.message_id == registered().id
        assert rest == none == (None, None, None), "no push"
        assert later[1].message_id == revoked().id

    @pytest.mark.parametrize("key", [*TYPES, "user.*", "#", "message.unread.0", ""])
    @pytest.mark.parametrize("arguments", [None, {"one": "more"}])
    def test_may_bind_nothing(
        self, consumers: EventConsumers, key: str, arguments: dict[str, str] | None
    ) -> None:
        """Bindings take the broker's memory. Those of one key that differ in arguments have no
        limit."""
        account = consumers.register("board")
        bind = ("events.board", "parley.events", key, arguments)

        assert not allowed(account.url, lambda channel: channel.queue_bind(*bind))
        assert not allowed(account.url, lambda channel: channel.queue_unbind(*bind))

    @pytest.mark.parametrize(
        "act",
        [
            lambda channel: channel.queue_declare("mine"),
            lambda channel: channel.queue_declare("", exclusive=True),
            lambda channel: channel.queue_declare("events.board.2"),
            lambda channel: channel.exchange_declare("events.board"),
            lambda channel: channel.queue_delete("events.board"),
            lambda channel: channel.exchange_bind("amq.topic", "parley.events", "user.*"),
            lambda channel: channel.exchange_bind("parley.events", "amq.topic", "user.*"),
            lambda channel: channel.queue_bind("events.other", "parley.events", "user.*"),
            lambda channel: channel.queue_bind("events.board", "parley.retry", "user.*"),
            lambda channel: channel.queue_bind("events.board", "amq.topic", "user.*"),
            lambda channel: channel.queue_bind("push.0", "parley.events", "user.*"),
            lambda channel: channel.queue_unbind("push.0", "parley.events", "message.unread.0"),
            lambda channel: channel.basic_get("push.0"),
            lambda channel: channel.basic_get("push.dead"),
            lambda channel: channel.basic_get("events.other"),
            lambda channel: channel.queue_purge("events.other"),
            *(
                lambda channel, exchange=exchange: (
                    channel.confirm_delivery(),
                    channel.basic_publish(exchange, "user.registered", b""),
                )
                for exchange in ("", "parley.events", "amq.topic", "parley.retry")
            ),
        ],
    )
    def test_may_do_nothing_else(
        self, consumers: EventConsumers, act: Callable[[Any], Any]
    ) -> None:
        account = consumers.register("board")
        consumers.register("other")

        assert not allowed(account.url, act)

    def test_has_a_bounded_share_of_the_connections(
        self, server: Server, consumers: EventConsumers
    ) -> None:
        consumers.register("board")

        (limits,) = server.ask("user-limits/events_board")
        assert limits["value"] == {"max-connections": 10, "max-channels": 50}
        assert server.ask("users/events_board")["tags"] == []

    def test_its_queue_drops_the_oldest_and_refuses_nothing(
        self, server: Server, consumers: EventConsumers
    ) -> None:
        account = consumers.register("board")

        arguments = server.ask(f"queues/%2F/{account.queue}")["arguments"]
        assert arguments["x-queue-type"] == "quorum"
        assert (arguments["x-overflow"], arguments["x-max-length"]) == ("drop-head", 100_000)
        assert arguments["x-delivery-limit"] == 20

    def test_an_event_that_is_given_back_for_ever_goes(
        self, consumers: EventConsumers, url: str
    ) -> None:
        """The log of its queue would grow until the disk is full, and nobody could publish."""
        account = consumers.register("stubborn", ["user.registered", "session.revoked"])
        with (
            closing(Broker(url)) as ours,
            closing(pika.BlockingConnection(pika.URLParameters(account.url))) as connection,
        ):
            ours.publish_events([registered()])
            channel, times, waits = connection.channel(), 0, 0
            while waits < 5:
                method, _, _ = channel.basic_get(account.queue)
                if method is None:
                    waits += 1
                    connection.sleep(0.2)  # what is given back comes a moment later
                    continue
                times, waits = times + 1, 0
                channel.basic_nack(method.delivery_tag, requeue=True)
            ours.publish_events([revoked()])

        assert times == 21
        assert taken(account)[0][1].message_id == revoked().id

    def test_asking_again_gives_a_new_password_and_keeps_the_queue(
        self, consumers: EventConsumers, url: str
    ) -> None:
        first = consumers.register("again")
        with closing(Broker(url)) as ours:
            ours.publish_events([registered()])
        again = consumers.register("again")

        with pytest.raises((ProbableAuthenticationError, ProbableAccessDeniedError)):
            allowed(first.url, lambda channel: None)
        got: list[Any] = []
        assert allowed(again.url, lambda channel: got.append(channel.basic_get(again.queue)))
        assert got[0][2], "what came meanwhile is there"

    @pytest.mark.parametrize("cut_off", [EventConsumers.register, EventConsumers.remove])
    def test_what_is_connected_with_a_password_of_before_is_cut_off(
        self, consumers: EventConsumers, cut_off: Callable[[EventConsumers, str], object]
    ) -> None:
        parameters = pika.URLParameters(consumers.register("cut").url)
        connection = pika.BlockingConnection(parameters)

        cut_off(consumers, "cut")

        with pytest.raises(ConnectionClosedByBroker):
            connection.sleep(30)

    def test_is_let_in_no_more_once_it_is_removed(
        self, server: Server, consumers: EventConsumers
    ) -> None:
        account = consumers.register("gone")
        consumers.remove("gone")
        consumers.remove("gone")

        with pytest.raises((ProbableAuthenticationError, ProbableAccessDeniedError)):
            allowed(account.url, lambda channel: None)
        assert account.queue not in {one["name"] for one in server.ask("queues")}

    def test_outlives_the_accounts_of_functions(
        self, server: Server, users: BrokerUsers, consumers: EventConsumers
    ) -> None:
        account = consumers.register("board")
        users.ensure(server.user(2))

        assert users.retire(server.user(2)) == ["parley_app_1"]
        assert allowed(account.url, lambda channel: None)

    def test_without_an_administrator_it_gets_the_one_account(self, server: Server) -> None:
        consumers = EventConsumers(settings(amqp_url=server.amqp))

        topology.declare(server.amqp)

        account = consumers.register("local")

        assert account.url == server.amqp
        with closing(Broker(server.amqp)) as ours:
            ours.publish_events([registered()])
        assert taken(account)[0][1].message_id == registered().id
        consumers.remove("local")


def taken(account: ConsumerAccount) -> list[Any]:
    """The next two messages of a queue, acknowledged."""
    with closing(pika.BlockingConnection(pika.URLParameters(account.url))) as connection:
        channel = connection.channel()
        return [channel.basic_get(account.queue, auto_ack=True) for _ in range(2)]


def revoked() -> CloudEvent:
    someone = "00000000-0000-7000-8000-00000000000a"
    data = SessionRevoked(session_id=someone, user_id=someone, client_id=None)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    event_id = "00000000-0000-4000-8000-00000000000f"
    return CloudEvent.of(data, event_id, time=when, issuer="https://parley.example/api")


def registered() -> CloudEvent:
    data = UserRegistered(user_id="00000000-0000-7000-8000-00000000000a", revision=0)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    event_id = "00000000-0000-4000-8000-00000000000e"
    return CloudEvent.of(data, event_id, time=when, issuer="https://parley.example/api")


class TestGenerations:
    def test_the_next_user_is_let_in_before_the_last_one_goes(
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
