"""Events about users: each change writes its event with it, and each event is published."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pika
import psycopg
import pytest
from psycopg.rows import dict_row

from chalicelib.admin.store import AdminStore
from chalicelib.auth.google.store import GoogleStore
from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.broker import topology
from chalicelib.broker.cloud_events import CONTENT_TYPE
from chalicelib.broker.publisher import Broker
from chalicelib.domain_events import written
from chalicelib.domain_events.consumers import EventConsumers
from chalicelib.domain_events.models import TYPES
from chalicelib.domain_events.outbox import EventOutbox
from chalicelib.domain_events.service import BATCH, DomainEvents
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import LastAdmin, Unavailable, UsernameTaken
from chalicelib.ids import new_id
from chalicelib.oauth.clients.store import ClientStore
from chalicelib.oauth.consents.store import ConsentStore
from tests.contract.accounts import NOW, Stores, migrated, profile, real, session_of
from tests.unit.settings import settings

ISSUER = settings().issuer.rstrip("/")


@dataclass
class World:
    """The stores that write events, and a look at what they wrote."""

    url: str
    postgres: Postgres
    stores: Stores
    admin: AdminStore
    recovery: RecoveryStore
    google: GoogleStore
    outbox: EventOutbox

    def forget(self) -> None:
        """Forget what other tests wrote."""
        with psycopg.connect(self.url) as connection:
            connection.execute("DELETE FROM domain_events")
        written.noted()

    def written(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of what was written since the last look; and whether it was noted."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            found = connection.execute(
                "DELETE FROM domain_events RETURNING type, data, at"
            ).fetchall()
        assert written.noted() or not found
        return sorted(
            ((one["type"], one["data"]) for one in found), key=lambda one: json.dumps(one)
        )


@pytest.fixture
def world(postgres_url: str) -> Iterator[World]:
    url = migrated(postgres_url)
    with closing(Postgres(url)) as postgres:
        base = real(postgres)
        world = World(
            url=url,
            postgres=postgres,
            stores=Stores(*base),
            admin=AdminStore(postgres),
            recovery=RecoveryStore(postgres, base.sessions),
            google=GoogleStore(postgres, base.accounts),
            outbox=EventOutbox(postgres),
        )
        world.forget()
        yield world
        world.forget()


def of_user(kind: str, user_id: str, revision: int) -> tuple[str, dict[str, Any]]:
    return f"user.{kind}", {"user_id": user_id, "revision": revision}


def revoked(user_id: str, *session_ids: str, client_id: str | None = None) -> list[Any]:
    return sorted(
        (
            ("session.revoked", {"session_id": one, "user_id": user_id, "client_id": client_id})
            for one in session_ids
        ),
        key=lambda one: json.dumps(one),
    )


class TestUsers:
    def test_registering_is_published(self, world: World) -> None:
        user, _ = world.stores.account()

        assert world.written() == [of_user("registered", user.id, 0)]

    def test_a_name_that_is_taken_publishes_nothing(self, world: World) -> None:
        user, _ = world.stores.account()
        world.written()

        with pytest.raises(UsernameTaken):
            world.stores.account(username=user.username)

        assert world.written() == []

    def test_signing_up_with_google_is_published(self, world: World) -> None:
        user = profile()
        assert world.google.add(user, "hash", session_of(user.id), f"g-{user.id}")

        assert world.written() == [of_user("registered", user.id, 0)]

    def test_a_google_account_that_is_taken_publishes_nothing(self, world: World) -> None:
        first, second = profile(), profile()
        assert world.google.add(first, "hash", session_of(first.id), f"g-{first.id}")
        world.written()

        assert not world.google.add(second, "hash", session_of(second.id), f"g-{first.id}")

        assert world.written() == []

    def test_each_change_of_a_profile_is_published_with_its_revision(self, world: World) -> None:
        user, _ = world.stores.account()
        world.written()

        changed = world.stores.users.update(user.id, {"display_name": "Ana B", "about": "x"})
        again = world.stores.users.update(user.id, {"push_previews": False})

        assert changed is not None
        assert again is not None
        assert (changed.display_name, again.push_previews) == ("Ana B", False)
        assert world.written() == [of_user("updated", user.id, 1), of_user("updated", user.id, 2)]

    def test_a_change_to_the_same_values_publishes_nothing(self, world: World) -> None:
        user, _ = world.stores.account()
        world.stores.users.update(user.id, {"display_name": "Ana B", "avatar_url": None})
        world.written()

        for same in ({"display_name": "Ana B"}, {"avatar_url": None, "push_previews": True}):
            found = world.stores.users.update(user.id, same)
            assert found is not None
            assert (found.id, found.display_name) == (user.id, "Ana B")
        assert world.written() == []
        world.stores.users.update(user.id, {"display_name": "Ana B", "about": "x"})
        assert world.written() == [of_user("updated", user.id, 2)]

    def test_a_change_of_an_unknown_user_publishes_nothing(self, world: World) -> None:
        assert world.stores.users.update(new_id(), {"about": "x"}) is None
        assert world.written() == []

    def test_a_deletion_is_published_once_and_so_are_its_sessions(self, world: World) -> None:
        user, session = world.stores.account()
        other = world.stores.login(user)
        world.written()

        world.stores.data.erase(user.id, NOW, checked="hash")
        assert world.written() == [
            *revoked(user.id, session.id, other.id), of_user("deleted", user.id, 1)
        ]  # fmt: skip
        world.stores.data.erase(user.id, NOW, checked=None)
        assert world.written() == []

    def test_a_deletion_that_is_refused_publishes_nothing(self, world: World) -> None:
        user, _ = world.stores.account()
        with psycopg.connect(world.url) as connection:
            connection.execute("DELETE FROM user_roles")
        world.admin.grant(user.id, "admin", NOW)
        world.written()

        with pytest.raises(LastAdmin):
            world.stores.data.erase(user.id, NOW, checked="hash")
        assert world.stores.data.erase(user.id, NOW, checked="another") is None

        assert world.written() == []
        world.admin.take(user.id, "admin")

    def test_a_suspension_and_its_end_are_published_once(self, world: World) -> None:
        user, _ = world.stores.account()
        world.written()

        for reason in ("spam", "worse"):
            world.admin.suspend(user.id, reason, NOW)
        assert world.written() == [of_user("suspended", user.id, 1)]
        for _ in range(2):
            world.admin.restore(user.id)
        ((kind, data),) = world.written()
        assert kind == "user.reinstated"
        assert data["revision"] > 1
        world.admin.suspend(user.id, "again", NOW)
        ((_, later),) = world.written()
        assert later["revision"] > data["revision"]

    def test_a_change_that_is_rolled_back_publishes_nothing(self, world: World) -> None:
        user, _ = world.stores.account()
        world.written()

        def broken_off() -> None:
            with world.postgres.transaction():
                world.admin.suspend(user.id, "spam", NOW)
                world.stores.sessions.revoke_all(user.id, but=None, now=NOW)
                raise Unavailable("postgres")

        with pytest.raises(Unavailable):
            broken_off()

        assert world.written() == []


class TestSessions:
    def test_ending_one_is_published_once(self, world: World) -> None:
        user, session = world.stores.account()
        world.written()

        assert world.stores.sessions.revoke(user.id, session.id, NOW)
        assert world.written() == revoked(user.id, session.id)
        assert world.stores.sessions.revoke(user.id, session.id, NOW)
        assert world.written() == []

    def test_a_session_of_another_user_stays_and_publishes_nothing(self, world: World) -> None:
        user, session = world.stores.account()
        other, _ = world.stores.account()
        world.written()

        assert not world.stores.sessions.revoke(other.id, session.id, NOW)
        assert not world.stores.sessions.revoke(user.id, new_id(), NOW)
        assert world.written() == []

    def test_ending_all_but_one_publishes_those_that_stood(self, world: World) -> None:
        user, first = world.stores.account()
        second, third = world.stores.login(user), world.stores.login(user)
        world.stores.sessions.revoke(user.id, second.id, NOW)
        world.written()

        ended = world.stores.sessions.revoke_all(user.id, but=first.id, now=NOW)
        assert sorted(ended) == sorted([second.id, third.id]), "also what ended lately"
        assert world.written() == revoked(user.id, third.id)
        world.stores.sessions.revoke_all(user.id, but=first.id, now=NOW)
        assert world.written() == []

    def test_a_new_password_publishes_the_end_of_the_others(self, world: World) -> None:
        user, first = world.stores.account()
        second = world.stores.login(user)
        world.written()

        change = world.stores.accounts.change_password
        assert change(user.id, "new", checked="wrong", but=first.id, now=NOW) is None
        assert world.written() == []
        change(user.id, "new", checked="hash", but=first.id, now=NOW)
        assert world.written() == revoked(user.id, second.id)

    def test_a_reset_password_publishes_the_end_of_all(self, world: World) -> None:
        user, session = world.stores.account()
        recipient = world.recovery.recipient(user.id)
        assert recipient is not None
        half_an_hour = timedelta(minutes=30)
        world.recovery.keep_link(
            recipient,
            "reset",
            b"digest-of-a-link",
            good_for=half_an_hour,
            fresh=timedelta(0),
            now=NOW,
        )
        world.written()

        assert world.recovery.reset_password(b"digest-of-a-link", "new", NOW) == [session.id]
        assert world.written() == revoked(user.id, session.id)
        assert world.recovery.reset_password(b"digest-of-a-link", "new", NOW) is None
        assert world.written() == []

    def test_what_was_granted_to_a_program_names_it(self, world: World) -> None:
        user, session = world.stores.account()
        client_id = _program(world)
        granted = replace(session_of(user.id), client_id=client_id, scope="openid")
        ConsentStore(world.postgres).remember(
            user.id, client_id, ["openid"], session_id=session.id, now=NOW
        )
        assert world.stores.sessions.open_from(granted, session.id) is not None
        world.written()

        assert world.stores.sessions.revoke_sessions_of_client(client_id, NOW, 10) == [
            (user.id, granted.id)
        ]
        assert world.written() == revoked(user.id, granted.id, client_id=client_id)
        assert world.stores.sessions.revoke_sessions_of_client(client_id, NOW, 10) == []
        assert world.written() == []

    def test_a_session_that_expires_publishes_nothing(self, world: World) -> None:
        user, _ = world.stores.account()
        world.written()

        world.stores.sessions.purge_sessions(NOW + timedelta(days=400), timedelta(0), 1000)

        assert world.stores.sessions.sessions(user.id, now=NOW, before=None, limit=9) == []
        assert world.written() == []


def _program(world: World) -> str:
    client_id = new_id()
    with psycopg.connect(world.url) as connection:
        connection.execute(
            "INSERT INTO oauth_clients (id, name, redirect_uris, post_logout_redirect_uris,"
            " scopes, created_at) VALUES (%s, 'Board', '{}', '{}', '{openid}', %s)",
            [client_id, NOW],
        )
    assert ClientStore(world.postgres).get(client_id) is not None
    return client_id


class TestOutbox:
    def test_gives_each_event_to_one_function(self, world: World) -> None:
        for _ in range(3):
            world.stores.account()
        with closing(Postgres(world.url)) as other:
            first, second = world.outbox.claim(2), EventOutbox(other).claim(10)

            assert (len(first), len(second)) == (2, 1)
            assert not {one.id for one in first} & {one.id for one in second}
            assert world.outbox.claim(10) == []

    def test_gives_an_event_again_when_its_function_has_died(self, world: World) -> None:
        world.stores.account()
        (first,) = world.outbox.claim(10)
        self._lease_ends(world)

        assert world.outbox.claim(10) == [first], "with the same id and time"
        world.outbox.remove([first.id])
        self._lease_ends(world)
        assert world.outbox.claim(10) == []

    def test_the_age_of_the_oldest_counts_also_while_it_is_claimed(self, world: World) -> None:
        assert world.outbox.age() == 0
        world.stores.account()
        with psycopg.connect(world.url) as connection:
            connection.execute("UPDATE domain_events SET at = at - interval '10 minutes'")
        world.stores.account()
        world.outbox.claim(10)

        assert 600 <= world.outbox.age() < 700

    @staticmethod
    def _lease_ends(world: World) -> None:
        with psycopg.connect(world.url) as connection:
            connection.execute("UPDATE domain_events SET due_at = due_at - interval '31 seconds'")


class TestPublishing:
    @pytest.fixture
    def queue(self, amqp_url: str) -> Iterator[Any]:
        """A channel with a queue `events.tests` that gets all events about users."""
        topology.declare(amqp_url)
        consumers = EventConsumers(settings(amqp_url=amqp_url))
        consumers.register("tests", [one for one in TYPES if one.startswith(("user.", "session."))])
        with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
            channel = connection.channel()
            channel.queue_purge("events.tests")
            yield channel
        consumers.remove("tests")

    def test_sends_what_was_written_and_forgets_it(
        self, world: World, amqp_url: str, queue: Any
    ) -> None:
        user, _ = world.stores.account()
        (waiting,) = _rows(world)

        with closing(Broker(amqp_url)) as ours:
            _events(world, ours).publish()

        _, properties, body = queue.basic_get("events.tests", auto_ack=True)
        event = json.loads(body)
        assert event == {
            "specversion": "1.0",
            "id": waiting["id"],
            "source": ISSUER,
            "type": "user.registered",
            "subject": user.id,
            "time": event["time"],
            "datacontenttype": "application/json",
            "dataschema": f"{ISSUER}/events/user.registered/1",
            "data": {"user_id": user.id, "revision": 0},
        }
        assert (properties.content_type, properties.message_id) == (CONTENT_TYPE, waiting["id"])
        assert _rows(world) == []

    def test_g1_an_event_that_no_service_consumes_is_done(
        self, world: World, amqp_url: str
    ) -> None:
        topology.declare(amqp_url)
        world.stores.account()

        with closing(Broker(amqp_url)) as ours:
            assert _events(world, ours).publish_left() == 1

        assert _rows(world) == []

    def test_an_exchange_that_is_missing_is_declared_and_nothing_is_lost(
        self, world: World, amqp_url: str
    ) -> None:
        with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
            connection.channel().exchange_delete("parley.events")
        world.stores.account()

        with closing(Broker(amqp_url)) as ours:
            assert _events(world, ours).publish_left() == 1
            ours.ping()

    def test_the_job_goes_on_until_nothing_is_left(
        self, world: World, amqp_url: str, queue: Any
    ) -> None:
        many = 2 * BATCH + 1
        with psycopg.connect(world.url) as connection:
            connection.execute(
                "INSERT INTO domain_events (type, data) SELECT 'user.updated',"
                " jsonb_build_object('user_id', gen_random_uuid(), 'revision', n)"
                " FROM generate_series(1, %s) n",
                [many],
            )
        with closing(Broker(amqp_url)) as ours:
            assert _events(world, ours).publish_left() == many

        assert _rows(world) == []
        got = {json.loads(_get(queue))["id"] for _ in range(many)}
        assert len(got) == many

    def test_without_rabbitmq_all_stays_and_comes_with_the_same_id(
        self, world: World, amqp_url: str, queue: Any
    ) -> None:
        world.stores.account()
        (waiting,) = _rows(world)
        with closing(Broker("amqp://127.0.0.1:9")) as away:
            events = _events(world, away)
            events.publish()
            claimed_until = _rows(world)[0]["due_at"]
            events.publish()
            assert _rows(world)[0]["due_at"] == claimed_until, "requests leave it to the job"
            with psycopg.connect(world.url) as connection:
                connection.execute("UPDATE domain_events SET due_at = now()")
            with pytest.raises(Unavailable):
                events.publish_left()
        with psycopg.connect(world.url) as connection:
            connection.execute("UPDATE domain_events SET due_at = now()")

        with closing(Broker(amqp_url)) as ours:
            assert _events(world, ours).publish_left() == 1

        assert json.loads(_get(queue))["id"] == waiting["id"]

    def test_an_event_that_this_code_does_not_know_waits_and_holds_up_no_other(
        self, world: World, amqp_url: str
    ) -> None:
        with psycopg.connect(world.url) as connection:
            connection.execute(
                "INSERT INTO domain_events (type, data)"
                " VALUES ('user.promoted', '{}'), ('user.updated', '{\"user_id\": 1}')"
            )
        world.stores.account()

        with closing(Broker(amqp_url)) as ours:
            _events(world, ours).publish_left()

        assert sorted(one["type"] for one in _rows(world)) == ["user.promoted", "user.updated"]


def _events(world: World, ours: Broker) -> DomainEvents:
    return DomainEvents(settings(), outbox=world.outbox, broker=lambda: ours)


def _rows(world: World) -> list[dict[str, Any]]:
    with psycopg.connect(world.url, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT id::text, type, due_at FROM domain_events ORDER BY id"
        ).fetchall()


def _get(queue: Any) -> bytes:
    body: bytes = queue.basic_get("events.tests", auto_ack=True)[2]
    return body


def test_every_type_of_event_names_one_thing_and_is_its_routing_key() -> None:
    assert all(data.about in data.model_fields for data in TYPES.values())
    assert all(name == data.type and name.count(".") == 1 for name, data in TYPES.items())
