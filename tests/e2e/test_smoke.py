"""What operators run against a stage, run against the local cloud: the smoke test, the canary."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.broker.pushes import PUSH_QUEUES
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
    assert "it was dropped, and sync brought the message, and so did the push" in said


NOBODY_TELLS = "Presence.disconnected = lambda *_: None  # $disconnect is best effort"
NOBODY_LOOKS = "Connections.drop = lambda *_: {}"


@pytest.fixture
def smoke(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs the smoke test against a cloud whose app has these statements before its own."""
    clouds: list[Cloud] = []

    def smoke(*statements: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "app"
        folder.mkdir()
        for name in ("chalicelib", "infra"):
            (folder / name).symlink_to(ROOT / name)
        imports = [
            "from chalicelib.live.connections import Connections",
            "from chalicelib.live.presence import Presence",
        ]
        app = (ROOT / "app.py").read_text()
        (folder / "app.py").write_text("\n".join([*imports, *statements, app]))
        cloud = Cloud(tmp_path / "state", "--workers", "1", "--app", str(folder)).start()
        clouds.append(cloud)
        return subprocess.run(
            [*COMMAND, cloud.http_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            check=False,
        )

    yield smoke
    for cloud in clouds:
        cloud.stop()


def test_a_410_alone_drops_a_socket_that_is_gone(
    smoke: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = smoke(NOBODY_TELLS)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_410_that_is_ignored_is_noticed(
    smoke: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = smoke(NOBODY_TELLS, NOBODY_LOOKS)

    assert done.returncode == 1, done.stdout
    assert "No frame brought the event presence" in done.stderr


def test_a_stage_that_does_not_answer_is_reported() -> None:
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
