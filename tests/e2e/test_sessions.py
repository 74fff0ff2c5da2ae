"""Signing out closes sockets, and secrets reach no log."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import websockets
from psycopg import sql

from tests.client import PASSWORD, Refused, Socket, User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.e2e.phones import pushes_for, with_phone


def test_g5_logout_closes_the_sockets_of_that_session_alone(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _bo, chat = await people.pair()
        desk = await ana.sign_in()
        async with ana.socket() as phone_socket, desk.socket() as desk_socket:
            await ana.ok("POST /v1/auth/logout")
            await phone_socket.closed()
            assert (await ana.call("GET /v1/users/me")).status == 401
            assert (await ana.call("POST /v1/socket-tickets")).status == 401
            assert await desk_socket.send(chat, "still here")

    run(scenario)


def test_g5_a_frame_on_its_way_during_a_logout_is_refused(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _, chat = await people.friends()
        acknowledged: list[float] = []  # when each send that was acknowledged had begun
        async with ana.socket() as socket:
            floods = [asyncio.create_task(flood(socket, chat, acknowledged)) for _ in range(4)]
            while len(acknowledged) < 20:
                await asyncio.sleep(0.01)
            await ana.ok("POST /v1/auth/logout")
            answered = time.monotonic()
            async with asyncio.timeout(10):
                ends = await asyncio.gather(*floods, return_exceptions=True)
        for end in ends:
            refused = isinstance(end, Refused) and end.code == "unauthorized"
            closed = isinstance(end, ConnectionError | websockets.ConnectionClosed)
            assert refused or closed, end
        assert max(acknowledged) < answered

    async def flood(socket: Socket, chat: str, acknowledged: list[float]) -> None:
        """Send until that fails for another reason than that it is too fast."""
        while True:
            begun = time.monotonic()
            try:
                await socket.send(chat, "again")
                acknowledged.append(begun)
            except Refused as error:
                if error.code != "rate_limited":
                    raise
                await asyncio.sleep(0.05)

    run(scenario)


def test_g8_no_secret_reaches_a_log(run: Run, cloud: Cloud) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        token = await with_phone(people, bo)
        ticket = await ana.ok("POST /v1/socket-tickets")
        a = await ana.open(ticket)
        await a.send(chat, "plugh\nplover")
        with pytest.raises(Refused, match="validation_failed"):
            await a.ask("message.send", {"chat_id": chat, "text": "plugh\nplover"})
        await a.close()
        (push,) = await pushes_for(people, token)
        assert push["body"] == "plugh plover"
        wrong = {"login": ana.username, "password": f"{PASSWORD}!"}
        assert (await ana.call("POST /v1/auth/login", wrong)).status == 401
        with refusing(cloud, ana):
            renamed = await ana.call("PATCH /v1/users/me", {"about": "plover"})
            assert (renamed.status, renamed.code) == (500, "internal")
            await logged("RaiseException")
        logged_words = cloud.worker_log() + cloud.log()
        for secret in (
            "plugh",
            "plover",
            PASSWORD,
            token,
            ticket["ticket"],
            ana.signed_in["user"]["email"],
            ana.signed_in["access_token"],
            ana.signed_in["refresh_token"],
        ):
            assert secret not in logged_words
        for control in ('"pushed"', "CheckViolation", "RaiseException"):
            assert control in logged_words, "or nothing is logged there at all"

    async def logged(text: str) -> None:
        async with asyncio.timeout(20):
            while text not in cloud.worker_log():
                await asyncio.sleep(0.1)

    run(scenario)


@contextmanager
def refusing(cloud: Cloud, user: User) -> Iterator[None]:
    """A database that refuses a user's row and the purge of their session, in words that quote
    both: what escapes a request then, and a job."""
    words = sql.Literal(f"plover {user.signed_in['user']['email']} {PASSWORD}")
    statements: list[sql.SQL | sql.Composed] = [
        sql.SQL("ALTER TABLE users ADD CONSTRAINT no_plover CHECK (about <> 'plover')"),
        sql.SQL(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION USING MESSAGE = {}; END $$"
        ).format(words),
        sql.SQL(
            "CREATE TRIGGER refuse BEFORE DELETE ON sessions FOR EACH ROW WHEN (OLD.id = {})"
            " EXECUTE FUNCTION refuse()"
        ).format(sql.Literal(user.signed_in["session_id"])),
        sql.SQL("UPDATE sessions SET expires_at = '2020-01-01' WHERE id = {}").format(
            sql.Literal(user.signed_in["session_id"])
        ),
    ]
    url = cloud.about["environment"]["POSTGRES_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            for statement in statements:
                connection.execute(statement)
            yield
        finally:
            connection.execute("DROP FUNCTION IF EXISTS refuse CASCADE")
            connection.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS no_plover")
