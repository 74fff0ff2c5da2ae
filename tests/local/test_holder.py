"""Who listens on a port, as the person who wants it reads it."""

import os
import socket

import pytest

from local.holder import holder


@pytest.mark.parametrize(
    ("family", "host"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
    ids=["loopback", "all", "loopback6", "all6"],
)
def test_is_named_with_process_and_folder(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as taken:
        found = holder(taken.getsockname()[1])

    assert found is not None
    assert found.endswith(f" (process {os.getpid()}, in {os.getcwd()})")


def test_nobody_holds_a_port_without_a_listener() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        assert holder(bound.getsockname()[1]) is None


def test_a_client_does_not_hold_the_port_that_it_speaks_from() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert holder(client.getsockname()[1]) is None
