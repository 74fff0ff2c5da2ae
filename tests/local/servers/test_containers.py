"""Looking for a Docker engine."""

import socket
import threading
from pathlib import Path

import pytest

from local.servers.containers import engine_answers


class TestADockerEngine:
    @pytest.mark.parametrize(("status", "is_there"), [(200, True), (500, False)])
    def test_is_there_when_its_socket_answers(
        self, status: int, is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(str(path))
            engine.listen()

            def answer() -> None:
                client, _ = engine.accept()
                with client:
                    assert client.recv(1000).startswith(b"GET /_ping ")
                    client.sendall(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n".encode())

            thread = threading.Thread(target=answer)
            thread.start()
            assert engine_answers() is is_there
            thread.join()

    def test_is_not_there_when_nobody_listens(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

        assert not engine_answers()
