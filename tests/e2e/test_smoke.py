"""What operators run against a stage, run against the local cloud: the smoke test, the canary."""

import asyncio
import subprocess
import sys

from chalicelib.events import PUSH_QUEUES
from tests.cloud import ROOT, Cloud
from tests.e2e.conftest import People, Run

COMMAND = [sys.executable, "-m", "infra.smoke"]
DEVICE = "smoke-test-device"
SECONDS = 60


def test_two_people_chat_and_the_absent_one_is_pushed_to(cloud: Cloud, run: Run) -> None:
    async def pushed(people: People) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                items = (await people.anonymous.ok("GET /_local/pushes"))["items"]
                if [one["body"] for one in items if one["token"] == DEVICE]:
                    return
                await asyncio.sleep(0.1)

    with subprocess.Popen(
        [*COMMAND, cloud.http_url, "--push-token", DEVICE],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as smoke:
        run(pushed)
        said, _ = smoke.communicate("yes\n", timeout=SECONDS)

    assert smoke.returncode == 0, said
    assert "KB in one answer" in said
    assert "sync brought the message, and so did the push" in said


def test_a_stage_that_does_not_answer_is_told() -> None:
    done = subprocess.run(
        [*COMMAND, "http://127.0.0.1:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 1
    assert "POST /v1/auth/register had no answer" in done.stderr


def test_a_canary_comes_out_of_every_queue(cloud: Cloud) -> None:
    assert cloud.maintain(task="canary") == {"queues": dict.fromkeys(PUSH_QUEUES, "ok")}
