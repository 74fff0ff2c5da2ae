"""`make run DEV=1`: changed code counts at once, whole tracebacks, and a debugger's terminal."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from local.cloud.dev import Code
from local.options import ROOT
from local.servers import Servers
from tests.local.stack import PATIENCE, SAMPLE_APP, eventually

START_SECONDS = 120.0
ROUTES = """

import logging
from chalicelib import words

@app.route("/v1/word")
def word() -> Any:
    return {"word": words.WORD}

@app.route("/v1/stop")
def stop() -> Any:
    secret = 41
    breakpoint()
    return {"answer": secret}

@app.route("/v1/log")
def log() -> Any:
    try:
        raise RuntimeError("the whole message")
    except RuntimeError:
        logging.getLogger("sample").exception("failed")
    return {}
"""


class Terminal:
    """A cloud with `--dev`, on its own terminal."""

    def __init__(self, folder: Path, amqp_url: str) -> None:
        self.app = folder / "app"
        shutil.copytree(SAMPLE_APP, self.app, ignore=shutil.ignore_patterns("__pycache__"))
        self.write("app.py", (self.app / "app.py").read_text() + ROUTES)
        self.write("chalicelib/words.py", 'WORD = "one"\n')
        self.ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(self.ours)
        self.shown = ""
        self.popen = subprocess.Popen(
            [
                *(sys.executable, "-m", "local", "run", "--dev", "--no-demo"),
                *("--state", str(folder / "state"), "--app", str(self.app)),
                *("--http-port", "0", "--schedule-seconds", "0"),
            ],
            cwd=ROOT,
            env={**os.environ, "AMQP_URL": amqp_url, "RECORD_FILE": str(folder / "records")},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        threading.Thread(target=self._read, daemon=True).start()
        eventually(lambda: "Ctrl-C stops" in self.shown, START_SECONDS)
        (self.port,) = set(re.findall(r"http://localhost:(\d+)/", self.shown))
        (self.socket_url,) = re.findall(r"ws://\S+", self.shown)

    def _read(self) -> None:
        while True:
            try:
                self.shown += os.read(self.ours, 65536).decode(errors="replace")
            except OSError:  # nobody has it open any more
                return

    def write(self, name: str, text: str) -> None:
        (self.app / name).write_text(text)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE)

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Terminal]:
    started = Terminal(tmp_path_factory.mktemp("dev"), servers.env["AMQP_URL"])
    yield started
    started.popen.send_signal(signal.SIGINT)
    started.popen.wait(60)


def test_the_next_request_runs_the_changed_module_whatever_its_time_and_size(dev: Terminal) -> None:
    file = dev.app / "chalicelib/words.py"
    for word in ("two", "six", "ten"):
        stat = file.stat()
        dev.write("chalicelib/words.py", f'WORD = "{word}"\n')
        # As fast as an editor can be: the same second, and in bytecode nothing is finer.
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))

        assert dev.get("/v1/word").json() == {"word": word}


def test_the_next_frame_on_an_open_socket_runs_it_too(dev: Terminal) -> None:
    source = (dev.app / "app.py").read_text()
    with connect(dev.socket_url, legacy=True) as client:
        client.send("hello")
        assert client.recv(PATIENCE) == "hello"
        dev.write("app.py", source.replace('"body": body}', '"body": body + "!"}'))
        client.send("hello")
        assert client.recv(PATIENCE) == "hello!"


def test_a_new_route_is_served_and_a_removed_one_is_not(dev: Terminal) -> None:
    source = (dev.app / "app.py").read_text()
    assert dev.get("/v1/new").status_code == 403

    dev.write("app.py", source + '\n@app.route("/v1/new")\ndef new() -> Any:\n    return {}\n')
    assert dev.get("/v1/new").status_code == 200

    dev.write("app.py", source)
    assert dev.get("/v1/new").status_code == 403


def test_an_error_in_the_code_is_shown_and_the_next_change_mends_it(dev: Terminal) -> None:
    dev.write("chalicelib/words.py", "WORD = = 1\n")
    for _ in range(2):
        assert dev.get("/v1/word").status_code == 502
    assert "SyntaxError: invalid syntax" in dev.shown
    assert dev.shown.count("The app cannot be imported. The next request") == 1

    dev.write("chalicelib/words.py", 'WORD = "mended"\n')

    assert dev.get("/v1/word").json() == {"word": "mended"}
    assert dev.popen.poll() is None


def test_what_the_app_logs_of_an_error_comes_with_its_whole_traceback(dev: Terminal) -> None:
    assert dev.get("/v1/log").status_code == 200

    eventually(lambda: "RuntimeError: the whole message" in dev.shown)
    assert 'raise RuntimeError("the whole message")' in dev.shown


def test_breakpoint_has_the_terminal_and_the_function_ends_as_if_it_had_not_stopped(
    dev: Terminal,
) -> None:
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(dev.get("/v1/stop")))
    asking.start()
    eventually(lambda: "(Pdb)" in dev.shown)

    dev.type("secret += 1\n")
    dev.type("p 'it is', secret\n")
    eventually(lambda: "('it is', 42)" in dev.shown)
    dev.type("c\n")
    asking.join(PATIENCE)

    assert [answer.json() for answer in answers] == [{"answer": 42}]


def test_ctrl_c_at_the_prompt_ends_all_of_it_and_leaves_the_terminal_as_it_was(
    tmp_path: Path, servers: Servers
) -> None:
    cloud = Terminal(tmp_path, servers.env["AMQP_URL"])
    asking = threading.Thread(target=lambda: _ask_in_vain(cloud.get))
    asking.start()
    eventually(lambda: "(Pdb)" in cloud.shown)

    cloud.popen.send_signal(signal.SIGINT)

    assert cloud.popen.wait(60) == 0
    assert termios.tcgetattr(cloud.ours) == cloud.before
    asking.join(PATIENCE)
    assert "Traceback" not in cloud.shown


def _ask_in_vain(get: Callable[[str], httpx.Response]) -> None:
    with pytest.raises(httpx.TransportError):
        get("/v1/stop")


def test_the_time_of_a_request_does_not_run_out_at_the_prompt() -> None:
    code = (
        "from chalicelib import deadline; from local.functions.worker import show_more; "
        "show_more(); "
        "deadline.begin(0); breakpoint(); print('over:', deadline.passed())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONBREAKPOINT"},
        input="c\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert "over: False" in done.stdout


class TestCode:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "chalicelib/deep").mkdir(parents=True)
        for name in ("app.py", "chalicelib/a.py", "chalicelib/deep/b.py"):
            (tmp_path / name).write_text("A = 1\n")
        return tmp_path

    def test_is_as_it_was_if_nobody_wrote(self, folder: Path) -> None:
        assert not Code(folder).changed()

    @pytest.mark.parametrize("name", ["app.py", "chalicelib/a.py", "chalicelib/deep/b.py"])
    def test_changed_when_a_file_was_written_once(self, folder: Path, name: str) -> None:
        code = Code(folder)
        (folder / name).write_text("A = 22\n")

        assert [code.changed(), code.changed()] == [True, False]

    def test_changed_when_a_file_came_or_went(self, folder: Path) -> None:
        code = Code(folder)
        (folder / "chalicelib/c.py").write_text("")
        assert code.changed()
        (folder / "chalicelib/c.py").unlink()
        assert code.changed()

    @pytest.mark.parametrize(
        "name",
        ["README.md", "chalicelib/.a.py.swp", "chalicelib/a.py~", "chalicelib/__pycache__/a.pyc"],
    )
    def test_did_not_change_by_other_files(self, folder: Path, name: str) -> None:
        code = Code(folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")

        assert not code.changed()
