"""Workers: one event at a time, limits, crashes, and nobody left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.functions.outcomes import Failure, Outcome
from local.functions.pool import AppBroken
from local.functions.registered import Function, registered
from tests.local.conftest import MakeStack
from tests.local.stack import SAMPLE_APP, Stack, eventually

SHOW = Function("app.show_context", "show", timeout=5, memory=256)
MESSAGE = Function("app.ws_message", "websocket_message")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def frame(body: str) -> dict[str, object]:
    context = {"connectionId": "c", "apiId": "a", "stage": "api", "domainName": "d"}
    return {"requestContext": context, "body": body}


class TestInvoke:
    def test_hands_over_event_and_context(self, stack: Stack) -> None:
        outcome = stack.invoke(SHOW, {"a": ["é", 1, None]})

        assert outcome.failure is None
        shown = outcome.result
        assert shown["event"] == {"a": ["é", 1, None]}
        assert shown["function_name"] == "show"
        assert shown["memory"] == "256"
        assert 4000 < shown["remaining"] <= 5000
        assert shown["pid"] in stack.pool.pids

    def test_gives_every_event_its_own_request_id(self, stack: Stack) -> None:
        ids = {stack.invoke(SHOW, {}).result["request_id"] for _ in range(5)}

        assert len(ids) == 5

    def test_reports_what_a_handler_raised(self, stack: Stack) -> None:
        outcome = stack.invoke(MESSAGE, frame("raise"))

        assert outcome.failure is Failure.ERROR
        assert outcome.message == "RuntimeError: asked to raise"
        log = stack.folder / "logs" / "workers.log"
        eventually(lambda: "RuntimeError: asked to raise" in log.read_text())

    def test_reports_a_handler_that_does_not_exist(self, stack: Stack) -> None:
        outcome = stack.invoke(Function("app.nothing", "nothing"), {})

        assert outcome.failure is Failure.ERROR
        assert "nothing" in outcome.message

    def test_reports_a_result_that_is_no_json(self, stack: Stack) -> None:
        outcome = stack.invoke(Function("app.Path", "path"), "x")

        assert outcome.failure is Failure.ERROR

    def test_refuses_an_event_over_six_megabytes(self, stack: Stack) -> None:
        outcome = stack.invoke(SHOW, "x" * (6 * 1024 * 1024))

        assert outcome.failure is Failure.TOO_LARGE

    def test_takes_events_up_to_six_megabytes(self, stack: Stack) -> None:
        text = "x" * (6 * 1024 * 1024 - 1000)

        assert stack.invoke(SHOW, text).result["event"] == text

    def test_runs_one_event_at_a_time_and_all_of_them(self, make_stack: MakeStack) -> None:
        stack = make_stack(workers=1)

        event = json.dumps(frame("sleep-0.05")).encode()

        async def many() -> list[Outcome]:
            return await asyncio.gather(*(stack.pool.invoke(MESSAGE, event) for _ in range(5)))

        started = time.monotonic()
        outcomes = stack.run(many())

        assert [outcome.failure for outcome in outcomes] == [None] * 5
        assert time.monotonic() - started >= 0.25


class TestCrashes:
    def test_only_the_event_in_hand_is_lost(self, make_stack: MakeStack) -> None:
        stack = make_stack(workers=1)
        (before,) = stack.pool.pids

        assert stack.invoke(MESSAGE, frame("crash")).failure is Failure.CRASHED
        after = stack.invoke(SHOW, {})

        assert after.result["pid"] != before
        assert not alive(before)

    def test_an_idle_worker_that_is_killed_is_replaced(self, make_stack: MakeStack) -> None:
        stack = make_stack(workers=2)
        first, second = stack.pool.pids
        os.kill(first, signal.SIGKILL)

        eventually(lambda: len(stack.pool.pids) == 2 and first not in stack.pool.pids)

        assert second in stack.pool.pids
        assert all(stack.invoke(SHOW, {}).failure is None for _ in range(4))

    def test_a_frozen_worker_is_killed_at_the_functions_timeout(
        self, make_stack: MakeStack
    ) -> None:
        stack = make_stack(workers=1)
        (frozen,) = stack.pool.pids
        os.kill(frozen, signal.SIGSTOP)

        outcome = stack.invoke(Function("app.show_context", "show", timeout=0.3), {})

        assert outcome.failure is Failure.OVERRAN
        assert stack.invoke(SHOW, {}).failure is None
        eventually(lambda: not alive(frozen))

    def test_waiting_is_bounded_by_the_caller(self, make_stack: MakeStack) -> None:
        stack = make_stack(workers=1)
        slow = json.dumps(frame("sleep-1")).encode()
        stack.run(_submit(stack, slow))

        outcome = stack.invoke(SHOW, {}, wait=0.2)

        assert outcome.failure is Failure.WAITED
        # What nobody waits for any more is not run at all.
        assert stack.invoke(SHOW, {}, wait=None).failure is None

    def test_stopping_does_not_wait_for_slow_functions(self, make_stack: MakeStack) -> None:
        stack = make_stack(workers=2)
        pids = stack.pool.pids
        stack.run(_submit(stack, json.dumps(frame("spin-60")).encode()))

        started = time.monotonic()
        stack.run(stack.pool.stop(grace=0.3))

        assert time.monotonic() - started < 5
        assert not any(alive(pid) for pid in pids)
        assert stack.invoke(SHOW, {}).failure is Failure.CRASHED


async def _submit(stack: Stack, event: bytes) -> None:
    stack.pool.submit(MESSAGE, event, lambda outcome: None)


class TestBrokenApps:
    def test_that_cannot_be_imported_say_why(self, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text("import no_such_module\n")
        stack = Stack(tmp_path, app_folder=tmp_path)
        try:
            with pytest.raises(AppBroken, match="no_such_module"):
                stack.start()
        finally:
            stack.stop()

    def test_that_break_later_are_tried_again(self, tmp_path: Path) -> None:
        source = (SAMPLE_APP / "app.py").read_text()
        (tmp_path / "app.py").write_text(source)
        stack = Stack(tmp_path, app_folder=tmp_path, workers=1).start()
        try:
            (tmp_path / "app.py").write_text("import broken_by_an_edit\n")
            assert stack.invoke(MESSAGE, frame("crash")).failure is Failure.CRASHED
            eventually(lambda: any("broken_by_an_edit" in line for line in stack.reports))

            (tmp_path / "app.py").write_text(source)

            assert stack.invoke(SHOW, {}).failure is None
        finally:
            stack.stop()


PARENT = """
import asyncio, os, sys
from pathlib import Path
from local.functions.registered import Function
from local.functions.logs import WorkerLog
from local.functions.pool import WorkerPool

async def main():
    folder = Path(sys.argv[2])
    log = WorkerLog(folder / "workers.log", print)
    await log.start()
    pool = WorkerPool(folder=Path(sys.argv[1]), environment=os.environ, log=log, report=print)
    await pool.start(2)
    event = (b'{"body": "spin-120", "requestContext": {"connectionId": "c", "apiId": "a", '
             b'"stage": "s", "domainName": "d"}}')
    pool.submit(Function("app.ws_message", "f", 300), event, print)
    await asyncio.sleep(0.3)
    print(*pool.pids, flush=True)
    await asyncio.sleep(120)

asyncio.run(main())
"""


def test_workers_die_with_their_parent_even_in_a_handler(tmp_path: Path) -> None:
    environment = {**os.environ, "RECORD_FILE": str(tmp_path / "records"), "AWS_REGION": "x"}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(SAMPLE_APP), str(tmp_path)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)

    parent.kill()
    parent.wait()

    eventually(lambda: not any(alive(pid) for pid in pids))
    parent.stdout.close()


DESCRIPTION = {
    "routes": {},
    "sockets": {"$connect": "app.c", "$default": "app.m", "$disconnect": "app.d"},
    "functions": {"chalicelib.notify.worker.notify": "notify"},
    "schedules": [{"name": "tidy", "handler": "app.tidy", "expression": "rate(1 hour)"}],
    "queues": [],
}


class TestConfiguration:
    def test_defaults_are_awss_and_chalices(self) -> None:
        found = registered(DESCRIPTION, {})

        assert found.api == Function("app.app", "api_handler", 29.0, 128)
        assert found.sockets["$default"] == Function("app.m", "websocket_message", 29.0, 128)
        assert found.functions["notify"].timeout == 60.0
        assert found.schedules[0].function == Function("app.tidy", "tidy", 60.0, 128)

    def test_a_functions_own_values_win(self) -> None:
        config = {
            "lambda_timeout": 20,
            "lambda_memory_size": 512,
            "lambda_functions": {
                "websocket_connect": {"lambda_timeout": 5},
                "notify": {"lambda_memory_size": 1024},
            },
        }

        found = registered(DESCRIPTION, config)

        assert found.api == Function("app.app", "api_handler", 20.0, 512)
        assert found.sockets["$connect"].timeout == 5.0
        assert found.functions["notify"] == Function(
            "chalicelib.notify.worker.notify", "notify", 20.0, 1024
        )


def test_a_bug_of_a_caller_ends_no_worker(make_stack: MakeStack) -> None:
    stack = make_stack(workers=1)
    before = stack.pool.pids

    def buggy(outcome: Outcome) -> None:
        raise RuntimeError("a bug")

    async def submit() -> None:
        stack.pool.submit(SHOW, b"{}", buggy)

    stack.run(submit())

    assert stack.invoke(SHOW, {}).failure is None
    assert stack.pool.pids == before
    assert stack.reports == ["show: RuntimeError: a bug"]
