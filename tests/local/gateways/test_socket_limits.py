"""Limits of sockets."""

import socket
import struct
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from local.limits import Limits
from tests.local.conftest import MakeStack
from tests.local.gateways.clients import closing, disconnects
from tests.local.stack import PATIENCE, Stack, eventually


class TestLimits:
    def test_a_frame_of_32_kb_passes_and_a_larger_one_closes(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send("x" * 32768)
            assert len(client.recv(PATIENCE)) == 32768

            client.send("x" * 32769)
            assert closing(client)[0] == 1009

    def test_a_message_of_128_kb_in_frames_passes(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send(["x" * 32768] * 4)

            assert len(client.recv(PATIENCE)) == 131072

    def test_a_larger_message_closes(self, stack: Stack) -> None:
        with stack.connect() as client:
            with suppress(ConnectionClosed):  # it may close before all is sent
                client.send(["x" * 32768] * 4 + ["y"])

            assert closing(client)[0] == 1009

    def test_text_that_is_no_utf8_closes(self, stack: Stack) -> None:
        with stack.connect() as client:
            client.send(b"\xff\xfe", text=True)

            assert closing(client)[0] == 1007

    def test_idle_sockets_are_closed(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(idle=2), workers=1)

        with stack.connect() as client:
            connection_id = stack.connection_id(client)
            started = time.monotonic()
            for _ in range(5):
                time.sleep(0.5)
                client.send("awake")
                assert client.recv(PATIENCE) == "awake"
            assert time.monotonic() - started > 2

            assert closing(client)[0] == 1001
        eventually(lambda: disconnects(stack, connection_id))

    def test_pings_do_not_keep_a_socket(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(idle=0.5), workers=1)

        with stack.connect(ping_interval=0.1) as client:
            assert closing(client)[0] == 1001

    def test_old_sockets_are_closed_however_busy(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(lifetime=0.5), workers=1)

        with stack.connect() as client:
            with pytest.raises(ConnectionClosed):
                self._stay_busy(client)
            assert client.close_code == 1001

    def _stay_busy(self, client: ClientConnection) -> None:
        while True:
            client.send("busy")
            client.recv(PATIENCE)
            time.sleep(0.02)

    def test_a_flood_is_answered_in_full_and_starves_nobody(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(in_flight=8), workers=1)

        with stack.connect() as flood, stack.connect() as other:
            for number in range(3000):
                flood.send(f"{number}")
            started = time.monotonic()
            other.send("hello")
            assert other.recv(PATIENCE) == "hello"
            waited = time.monotonic() - started
            answers = {flood.recv(PATIENCE) for _ in range(3000)}

        assert answers == {str(number) for number in range(3000)}
        # At most the eight in flight went first, not three thousand.
        assert waited < time.monotonic() - started

    def _send_until_stuck(self, raw: socket.socket, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[raw.send(rest[:65536]) :]

    def test_who_floods_and_never_reads_is_not_read_either(self, make_stack: MakeStack) -> None:
        stack = make_stack(limits=Limits(in_flight=4, outgoing=1 << 30), workers=2)

        raw = stack.connect_raw()
        raw.settimeout(3)
        frame = b"\x81\xfe" + struct.pack("!H", 30_000) + b"\0\0\0\0" + b"x" * 30_000
        with pytest.raises(TimeoutError):
            self._send_until_stuck(raw, frame * 3000)

        (connection,) = stack.sockets.all
        assert connection.waiting_bytes < 8 * 1024 * 1024
        raw.close()
