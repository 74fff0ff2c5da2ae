"""Runs a packaged function as Lambda does, in a process that sees nothing else of this machine."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from infra.package.zips import Zips
from tests.deploy.runtime.runtime_api import RuntimeApi

START_SECONDS = 60.0
INVOKE_SECONDS = 60.0
HERE = "arm64" if platform.machine() == "aarch64" else "x86_64"
"""The architecture of this machine, as Lambda names it."""

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
HANDLERS = {
    "api_handler": "app.app",
    "websocket_connect": "app.ws_connect",
    "websocket_message": "app.ws_message",
    "websocket_disconnect": "app.ws_disconnect",
    "notify": "chalicelib.notify.worker.notify",
    "redeliver_pending": "chalicelib.messages.jobs.redeliver_pending",
    "push_overdue": "chalicelib.messages.jobs.push_overdue",
    "purge_sessions": "chalicelib.auth.sessions.jobs.purge_sessions",
    "send_mails": "chalicelib.mail.jobs.send_mails",
    "make_exports": "chalicelib.exports.jobs.make_exports",
    "maintain": "chalicelib.maintenance.maintain",
}
"""Lambda's handler, by the name of the function."""

_CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
_IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


class Unpacked(NamedTuple):
    """The folders of a Lambda container."""

    task: Path
    opt: Path
    runtime: Path

    @property
    def path(self) -> list[str]:
        """Where modules are looked for, in Lambda's order."""
        layer = self.opt / "python"
        packages = layer / "lib" / VERSION / "site-packages"
        return [str(folder) for folder in (self.task, packages, layer, self.runtime)]


def unpack(zips: Zips, folder: Path) -> Unpacked:
    """Lay a package out, with AWS's runtime client beside it as in Lambda's own images."""
    container = Unpacked(folder / "task", folder / "opt", folder / "runtime")
    for archive, target in ((zips.code, container.task), (zips.layer, container.opt)):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
    for name in _CLIENT:
        for file in metadata.distribution(name).files or ():
            if file.suffix in (".py", ".so"):
                target = container.runtime / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    return container


def run(container: Unpacked, code: str) -> str:
    """What a program prints that has the package's import path, and no other."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=container.task,
        env={"PYTHONPATH": os.pathsep.join(container.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


class Function:
    """A function in its own container. `stop` ends it."""

    def __init__(
        self,
        name: str,
        container: Unpacked,
        environment: dict[str, str],
        log: Path,
        *,
        handler: str = "",
        trace_imports: bool = False,
    ) -> None:
        self.log = log
        self.stderr = log.with_suffix(".err")
        self._api = RuntimeApi()
        handler = handler or HANDLERS[name]
        flags = ["-X", "importtime"] if trace_imports else []
        started = time.perf_counter()
        with log.open("wb") as out, self.stderr.open("wb") as err:
            # Without `site` an interpreter knows its standard library and PYTHONPATH alone.
            self._process = subprocess.Popen(
                [sys.executable, "-S", *flags, "-m", "awslambdaric", handler],
                cwd=container.task,
                env={**self._lambda(name, handler, container), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        if not self._api.ready.wait(START_SECONDS):
            self.stop()
            raise TimeoutError(f"{name} did not start:\n{self.stderr.read_text()[-4000:]}")
        self.start_seconds = time.perf_counter() - started

    def invoke(self, event: Any) -> Any:
        """Raises FunctionFailed as Lambda would report it."""
        return self._api.invoke(event, INVOKE_SECONDS)

    def cpu_seconds(self) -> float:
        """The processor time that it has taken until now."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def peak_megabytes(self) -> float:
        """The most memory that it has had until now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1000

    def imported(self) -> set[str]:
        """The modules that it has imported until now, where it was started to tell."""
        return set(_IMPORTED.findall(self.stderr.read_text(errors="replace")))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._api.stop()

    def _lambda(self, name: str, handler: str, container: Unpacked) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join(container.path),
            "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's folders cannot be written to
            "LAMBDA_TASK_ROOT": str(container.task),
            "LAMBDA_RUNTIME_DIR": str(container.runtime),
            "_HANDLER": handler,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": f"parley-dev-{name}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/parley-dev-{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{VERSION}",
        }
