"""Unpacks Debian packages into a folder of this checkout, without root."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

from local.bootstrap import DEBIAN, ROOT, STATE, SetupFailed
from local.bootstrap.steps import TRIES, run

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


def rabbitmq() -> bool:
    """Fetch Debian's RabbitMQ if it is missing. Says whether it was."""
    erl = DEBIAN / "usr/lib/erlang/bin/erl"
    if Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists() or erl.exists():
        return False
    if " " in str(DEBIAN):
        raise SetupFailed(
            f"RabbitMQ cannot be unpacked into {ROOT}, whose name has a space. "
            "Install it: apt-get install rabbitmq-server"
        )
    unpack("rabbitmq-server", "Install it: apt-get install rabbitmq-server")
    return True


def pgbouncer() -> bool:
    """Fetch Debian's PgBouncer if it is missing. Says whether it was."""
    if Path("/usr/sbin/pgbouncer").exists() or (DEBIAN / "usr/sbin/pgbouncer").exists():
        return False
    unpack("pgbouncer", "Install it: apt-get install pgbouncer")
    return True


def libfaketime() -> bool:
    """Fetch Debian's libfaketime if it is missing. Says whether it was."""
    name = "lib/*/faketime/libfaketime.so.1"
    if any(list(root.glob(name)) for root in (Path("/usr"), DEBIAN / "usr")):
        return False
    unpack("libfaketime", "Install it: apt-get install libfaketime")
    return True


def mod_auth_openidc() -> bool:
    """Fetch Debian's Apache and its OpenID Connect module if they are missing. Says whether they
    were."""
    module = "lib/apache2/modules/mod_auth_openidc.so"
    if any((root / module).exists() for root in (Path("/usr"), DEBIAN / "usr")):
        return False
    name = "libapache2-mod-auth-openidc"
    unpack(name, f"Install it: apt-get install {name}")
    return True


def unpack(package: str, otherwise: str) -> None:
    """Unpack a package, and the missing packages that it needs, into our own folder."""
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
    """Change the folder that Erlang's launcher names to ours."""
    for launcher in ("bin/erl", "erts-*/bin/erl"):
        for script in unpacked.glob(f"usr/lib/erlang/{launcher}"):
            text = script.read_text().replace(
                "ROOTDIR=/usr/lib/erlang\n", f'ROOTDIR="{DEBIAN}/usr/lib/erlang"\n'
            )
            script.unlink()
            script.write_text(text)
            script.chmod(0o755)
