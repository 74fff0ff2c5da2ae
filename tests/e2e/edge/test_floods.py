"""Too many requests and frames are slowed."""

import asyncio

from tests.client import Refused
from tests.e2e.conftest import People, Run
from tests.e2e.edge.problems import TEXT


def test_thousands_of_requests_from_one_session_are_slowed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await people.new(), await people.new()
        statuses: dict[int, int] = {}
        waits: list[str] = []

        async def hammer(count: int) -> None:
            for _ in range(count):
                answer = await ana.call("GET /v1/users/me")
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                if answer.status == 429:
                    waits.append(answer.headers["retry-after"])

        # What is in flight at once is what a bucket must withstand; the rest is only patience.
        await asyncio.gather(*(hammer(125) for _ in range(20)))

        assert set(statuses) == {200, 429}
        assert sum(statuses.values()) == 2_500
        assert statuses[429] > 1_000
        assert all(int(wait) >= 1 for wait in waits)
        assert (await bo.call("GET /v1/users/me")).status == 200

    run(scenario)


def test_a_flood_of_frames_is_slowed_and_nobody_else_is(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a, bo.socket() as b:
            answers = await asyncio.gather(
                *(a.ask("ping") for _ in range(600)), return_exceptions=True
            )
            codes = {e.code for e in answers if isinstance(e, Refused)}
            assert codes == {"rate_limited"}
            assert await b.send(chat, "still here")

    run(scenario)


def test_a_socket_that_goes_on_beyond_its_limit_is_closed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new()
        async with ana.socket() as a:
            for _ in range(30):
                frames = (a.ask("ping") for _ in range(100))
                await asyncio.gather(*frames, return_exceptions=True)
            assert await a.closed() is not None
        async with ana.socket() as again:
            await again.ask("ping")

    run(scenario)


def test_answers_tell_what_is_left(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _, chat = await people.pair()
        left = []
        for n in range(2):
            body = {"client_id": f"c{n}", "content": TEXT}
            answer = await ana.call(f"POST /v1/chats/{chat}/messages", body)
            policies, limits = (
                answer.headers[name].split(", ") for name in ("ratelimit-policy", "ratelimit")
            )
            assert [one.split(";")[0] for one in policies] == [
                '"send-user"',
                '"send-session"',
                '"send-target"',
            ]
            left.append([int(one.split(";r=")[1].split(";")[0]) for one in limits])
        assert all(now <= before for before, now in zip(*left, strict=True))

    run(scenario)
