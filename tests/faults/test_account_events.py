"""Every change of an account is published, whatever dies, and nothing else is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import psycopg
import pytest

from tests.client import User, register
from tests.cloud import Cloud
from tests.faults.conftest import Run, on_one_store
from tests.faults.crowd import Crowd
from tests.faults.trouble import Trouble
from tests.listener import Listener, listening

FREEZE_SECONDS = 7.0
ANSWER_SECONDS = 12.0
"""What a change may take while RabbitMQ is frozen: it waits 3.5 seconds once in a while."""

Harm = Callable[[Trouble], Awaitable[None]]


async def kill_rabbitmq(trouble: Trouble) -> None:
    await trouble.kill("rabbitmq")
    await trouble.answers("rabbitmq")


async def freeze_rabbitmq(trouble: Trouble) -> None:
    await trouble.freeze("rabbitmq", FREEZE_SECONDS)


async def kill_postgres(trouble: Trouble) -> None:
    await trouble.kill("postgres")
    await trouble.answers("postgres")


async def kill_workers(trouble: Trouble) -> None:
    for _ in range(15):
        await asyncio.sleep(0.2)
        trouble.kill_worker()
    trouble.kill_workers()


@on_one_store
@pytest.mark.parametrize("harm", [kill_rabbitmq, freeze_rabbitmq, kill_postgres, kill_workers])
def test_g1_every_change_of_an_account_is_published_and_no_other(
    run: Run, cloud: Cloud, trouble: Trouble, harm: Harm
) -> None:
    with every_change_is_published(cloud):

        async def scenario(crowd: Crowd) -> None:
            async with changing(crowd):
                await asyncio.sleep(1)
                await harm(trouble)
                await asyncio.sleep(1)
            await crowd.ready()

        run(scenario)


@on_one_store
def test_g1_a_worker_that_dies_between_commit_and_publish_leaves_the_event_to_the_job(
    run: Run, cloud: Cloud, trouble: Trouble
) -> None:
    with every_change_is_published(cloud):

        async def scenario(crowd: Crowd) -> None:
            async with trouble.suspended("rabbitmq"):
                changes = [
                    asyncio.create_task(user.call("PATCH /v1/users/me", {"about": "x"}))
                    for user in (crowd.ana, crowd.bo, crowd.cy)
                ]
                async with asyncio.timeout(60):
                    while revisions(cloud, crowd.ana, crowd.bo, crowd.cy) != [1, 1, 1]:
                        await asyncio.sleep(0.05)
                trouble.kill_workers()
                await asyncio.gather(*changes, return_exceptions=True)
            await crowd.ready()

        run(scenario)


@on_one_store
def test_g9_a_change_is_made_while_rabbitmq_is_frozen(
    run: Run, cloud: Cloud, trouble: Trouble
) -> None:
    with every_change_is_published(cloud):

        async def scenario(crowd: Crowd) -> None:
            async with trouble.suspended("rabbitmq"):
                for number in range(20):
                    started = time.monotonic()
                    await crowd.ana.ok("PATCH /v1/users/me", {"about": str(number)})
                    assert time.monotonic() - started < ANSWER_SECONDS
            await crowd.ready()

        run(scenario)


@asynccontextmanager
async def changing(crowd: Crowd) -> AsyncIterator[None]:
    """Inside the block people register, change their profile and sign out. Some are refused, or
    get no answer: PostgreSQL tells what was done."""
    quiet = asyncio.Event()

    async def live() -> None:
        while not quiet.is_set():
            with suppress(Exception):  # the servers are down: whatever it is, go on
                user = await register(crowd.anonymous.url, crowd.anonymous.http, "eve")
                for number in range(2):
                    await user.call("PATCH /v1/users/me", {"about": str(number)})
                other = await user.sign_in()
                await other.call("POST /v1/auth/logout")
                await user.call("DELETE /v1/auth/sessions")
            await asyncio.sleep(0.1)

    lives = [asyncio.create_task(live()) for _ in range(4)]
    try:
        yield
    finally:
        quiet.set()
        await asyncio.gather(*lives)


@contextmanager
def every_change_is_published(cloud: Cloud) -> Iterator[None]:
    """Checks at the end that each change of those who registered inside was published."""
    with listening(cloud, "faults") as listener:
        before = users(cloud)
        yield
        asyncio.run(told(listener, cloud, users(cloud) - before))


def users(cloud: Cloud) -> set[str]:
    """The ids of all users."""
    with psycopg.connect(cloud.about["environment"]["POSTGRES_URL"]) as connection:
        return {str(one) for (one,) in connection.execute("SELECT id FROM users").fetchall()}


def revisions(cloud: Cloud, *of: User) -> list[int]:
    with psycopg.connect(cloud.about["environment"]["POSTGRES_URL"]) as connection:
        found = connection.execute(
            "SELECT revision FROM users WHERE id = ANY(%s::uuid[])", [[one.id for one in of]]
        ).fetchall()
    return [revision for (revision,) in found]


def done(cloud: Cloud, ids: set[str]) -> list[tuple[str, str]]:
    """(type, subject) of each change of these users, as PostgreSQL has them."""
    with psycopg.connect(cloud.about["environment"]["POSTGRES_URL"]) as connection:
        accounts = connection.execute(
            "SELECT id::text, revision FROM users WHERE id = ANY(%s::uuid[])", [list(ids)]
        ).fetchall()
        ended = connection.execute(
            "SELECT id::text FROM sessions WHERE user_id = ANY(%s::uuid[])"
            " AND revoked_at IS NOT NULL",
            [list(ids)],
        ).fetchall()
    return [
        *(("user.registered", user_id) for user_id, _ in accounts),
        *(("user.updated", user_id) for user_id, revision in accounts for _ in range(revision)),
        *(("session.revoked", session_id) for (session_id,) in ended),
    ]


async def told(listener: Listener, cloud: Cloud, ids: set[str]) -> None:
    """Wait until exactly what was done has been published and the outbox is empty."""
    wanted = done(cloud, ids)
    assert len(wanted) > 4
    await listener.until(wanted, *ids, seconds=90)
    with psycopg.connect(cloud.about["environment"]["POSTGRES_URL"]) as connection:
        async with asyncio.timeout(60):
            while connection.execute("SELECT FROM domain_events").rowcount:
                await asyncio.sleep(0.2)
