"""PostgreSQL and RabbitMQ run out of disk: they refuse, and what they had acknowledged stays."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import schema
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import Message, NewMessage
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.wire import now
from local.servers import start_all
from tests.faults.conftest import Run, on_one_store
from tests.faults.crowd import Crowd, Sent
from tests.faults.trouble import Trouble

DISK_MB = 160
BACK_SECONDS = 60.0
MOST = 20_000
"""More messages than a disk of this size takes."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk for the test."""
    if os.geteuid() != 0:
        pytest.skip("Only root may mount a small disk to fill.")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(tmp_path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"This machine mounts no disk: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_g1_postgres_without_disk_refuses_and_keeps_what_it_acknowledged(disk: Path) -> None:
    servers = start_all(disk, ["postgres"], print, given={}, on_failure=lambda: None)
    try:
        url = servers["postgres"].url
        schema.migrate(url)
        postgres = Postgres(url)
        store = PostgresStore(postgres)
        ana, bo = new_id(), new_id()
        chat_id = direct_chat_id(ana, bo)
        store.chats.open_direct(chat_id, members=(ana, bo), at=now())
        fill(disk / "ballast")

        acknowledged = append_until_refused(store, chat_id, ana)
        (disk / "ballast").unlink()

        until_it_answers(postgres)
        assert stored(store, chat_id, ana)[: len(acknowledged)] == acknowledged
        assert append(store, chat_id, ana) is not None
        postgres.close()
    finally:
        servers.stop()


def fill(path: Path) -> None:
    """Take all of the disk that is left."""
    with path.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(64 * 1024))
        except OSError:
            return


def append(store: PostgresStore, chat_id: str, sender_id: str) -> Message | None:
    new = NewMessage(
        id=new_id(),
        chat_id=chat_id,
        sender_id=sender_id,
        client_id=new_id(),
        content=TextContent(kind="text", text=os.urandom(2000).hex()),
        created_at=now(),
    )
    stored = store.timeline.append(new, unanswered=2**31)
    return stored.message if stored else None


def append_until_refused(store: PostgresStore, chat_id: str, sender_id: str) -> list[Message]:
    acknowledged: list[Message] = []
    for _ in range(MOST):
        try:
            message = append(store, chat_id, sender_id)
        except Unavailable:
            return acknowledged
        assert message is not None
        acknowledged.append(message)
    raise AssertionError(f"{MOST} messages fitted on a full disk of {DISK_MB} MB")


def until_it_answers(postgres: Postgres) -> None:
    ends = time.monotonic() + BACK_SECONDS
    while True:
        try:
            return postgres.ping()
        except Unavailable:
            assert time.monotonic() < ends, "PostgreSQL did not come back"
            time.sleep(0.2)


def stored(store: PostgresStore, chat_id: str, reader: str) -> list[Message]:
    found, since, more = [], 0, True
    while more:
        changes = store.timeline.changes(chat_id, member=reader, since=since, limit=200)
        assert changes is not None
        found += changes.items
        since, more = changes.rev, changes.more
    return found


@on_one_store
def test_g1_pushes_that_rabbitmq_had_no_disk_for_come_later(run: Run, trouble: Trouble) -> None:
    async def scenario(crowd: Crowd) -> None:
        await trouble.let_rabbitmq_have("1000GB")  # more than there is
        try:
            sent = Sent.new(crowd.lonely, crowd.cy, "no disk")
            message = await crowd.calls.http(crowd.cy, sent.route, sent.body)
            assert await crowd.shown(crowd.di) == []
        finally:
            await trouble.let_rabbitmq_have("50MB")
        await crowd.until_shown(crowd.di, [message["id"]])

    run(scenario)
