"""Every way in which the service closes a socket: an event says why, then it closes with 1000."""

import asyncio
import json
from typing import Any

import pytest
import websockets
from websockets.typing import Subprotocol

from chalicelib.edge.ws import SUBPROTOCOL
from tests.client import PASSWORD, Refused, Socket, User, first_closed
from tests.e2e.conftest import People, Run
from tests.e2e.edge.test_socket_gate import connect, grant


async def end(people: People, user: User, how: str) -> None:
    """End the session that `user` has signed in to elsewhere, or all sessions of theirs."""
    if how == "suspension":
        staff = await people.staff("admin")
        await staff.ok(f"POST /v1/admin/users/{user.id}/suspend", {"reason": "Spam"})
    elif how == "staff":
        staff = await people.staff("admin")
        await staff.ok(f"DELETE /v1/admin/users/{user.id}/sessions")
    elif how == "sign-out elsewhere":
        await user.ok("DELETE /v1/auth/sessions")
    elif how == "password":
        change = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
        await user.ok("POST /v1/auth/password", change)
    elif how == "reset":
        email = {"email": user.signed_in["user"]["email"]}
        await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
        reset = {"token": (await people.mailed(user, 2))[0], "new_password": PASSWORD + "!"}
        await people.anonymous.ok("POST /v1/auth/password/reset", reset)
    elif how == "deletion":
        await user.ok("POST /v1/users/me/delete", {"password": PASSWORD})


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("sign-out", "signed_out"),
        ("sign-out elsewhere", "signed_out"),
        ("password", "password_changed"),
        ("reset", "password_changed"),
        ("suspension", "account_suspended"),
        ("deletion", "account_deleted"),
        ("staff", "revoked"),
        ("stolen token", "revoked"),
    ],
)
def test_g5_a_socket_is_told_why_its_session_ended_before_it_closes(
    run: Run, how: str, reason: str
) -> None:
    async def scenario(people: People) -> None:
        user = await people.new()
        desk = await user.sign_in()
        socket = await desk.connect()
        if how == "sign-out":
            await desk.ok("POST /v1/auth/logout")
        elif how == "stolen token":
            await reuse(people, desk)
        else:
            await end(people, user, how)

        assert await socket.closed() == 1000
        assert [one for one in socket.events if one["event"] == "session.ended"] == [
            {"event": "session.ended", "data": {"reason": reason}}
        ]
        assert socket.events[-1]["event"] == "session.ended"

    async def reuse(people: People, desk: User) -> None:
        first = token = desk.signed_in["refresh_token"]
        for _ in range(2):
            answer = await people.anonymous.ok("POST /v1/auth/refresh", {"refresh_token": token})
            token = answer["refresh_token"]
        with pytest.raises(Refused):
            await people.anonymous.ok("POST /v1/auth/refresh", {"refresh_token": first})

    run(scenario)


def test_g5_a_program_is_told_that_the_user_took_back_its_access(run: Run) -> None:
    async def scenario(people: People) -> None:
        bo = await people.new("bo")
        program, tokens = await grant(people, bo, "openid chats.read")
        socket = await connect(people, tokens["access_token"])

        await bo.ok(f"DELETE /v1/auth/programs/{program.id}")

        assert await socket.closed() == 1000
        assert socket.events == [{"event": "session.ended", "data": {"reason": "signed_out"}}]

    run(scenario)


def test_the_oldest_of_too_many_sockets_is_told_and_the_others_stay(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        sockets = [await ana.connect() for _ in range(9)]

        # Those of the same second are equally old.
        gone = await first_closed(sockets)
        assert gone.connection.close_code == 1000
        assert gone.events == [{"event": "socket.closing", "data": {"reason": "too_many_sockets"}}]
        await asyncio.gather(*(socket.ask("ping") for socket in sockets if socket is not gone))
        await asyncio.gather(*(socket.close() for socket in sockets))

    run(scenario)


async def open_with(user: User, offered: list[str]) -> Any:
    ticket = await user.ok("POST /v1/socket-tickets")
    url = f"{ticket['url']}?ticket={ticket['ticket']}"
    return await websockets.connect(url, subprotocols=[Subprotocol(one) for one in offered])


def test_a_socket_has_the_subprotocol_that_its_client_offers(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        for offered, chosen in (
            ([SUBPROTOCOL], SUBPROTOCOL),
            (["chat", SUBPROTOCOL], SUBPROTOCOL),
            (["chat"], None),
        ):
            opened = await open_with(ana, offered)
            assert opened.subprotocol == chosen
            socket = Socket(opened)
            await socket.ask("ping")
            await socket.close()

    run(scenario)


def test_a_binary_frame_closes_its_socket_and_is_not_answered(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        socket = await ana.connect()

        await socket.connection.send(json.dumps({"id": "1", "action": "ping"}).encode())

        assert await socket.closed() == 1003
        assert (socket.events, socket.stray) == ([], [])

    run(scenario)
