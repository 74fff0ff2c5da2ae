"""Lambda freezes containers between events, and servers restart meanwhile."""

import asyncio

from tests.faults.checks import pages
from tests.faults.conftest import WORKERS, Run
from tests.faults.crowd import Crowd, Sent
from tests.faults.trouble import Trouble


def test_g9_the_first_request_of_each_container_after_servers_restarted_is_answered(
    run: Run, trouble: Trouble
) -> None:
    """Each container holds connections that died while it was frozen."""

    async def scenario(crowd: Crowd) -> None:
        await crowd.greet()
        servers = sorted(set(trouble.servers) - {"s3"})
        sent = [Sent.new(crowd.lively, crowd.ana, f"woken {n}") for n in range(3 * WORKERS)]
        # Lambda freezes no container that still works on an event.
        await crowd.until(lambda: not crowd.calls.waiting)
        with trouble.frozen_workers():
            await asyncio.gather(*(trouble.kill(server) for server in servers))
            await asyncio.gather(*(trouble.answers(server) for server in servers))
            sending = asyncio.gather(*(crowd.ana.call(one.route, one.body) for one in sent))
            await asyncio.sleep(0)

        # Nobody tries again: each call is the first on its connections, or comes right after it.
        answers = await sending

        assert [answer.status for answer in answers] == [201] * len(sent)
        assert "unavailable" not in crowd.calls.outcomes()
        history = await pages(crowd.bo, crowd.lively)
        assert {m["client_id"] for m in history} >= {one.client_id for one in sent}

    run(scenario)
