"""The command line of the local cloud: run, services, demo, environment."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from local import demo
from local.gateways.names import is_name
from local.limits import Limits
from local.options import LAST_PORT, ROOT, CloudFailed, Listeners, Options
from local.state import AlreadyRunning, State


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve Parley on this machine until Ctrl-C")
    services = commands.add_parser("services", help="serve what `chalice local` needs")
    filled = commands.add_parser("demo", help="fill two demo accounts and a chat")
    shown = commands.add_parser(
        "environment", help="print the environment of the running cloud, for a shell"
    )
    for command in (run, services, filled, shown):
        command.add_argument("--state", type=Path, default=ROOT / ".local", metavar="FOLDER")
    for command in (run, services):
        command.add_argument("--http-port", type=_port, default=8000, help="0 for any free port")
        command.add_argument("--check", action="store_true", help="only say whether it could start")
        command.add_argument("--messages", choices=["mongo", "postgres"], default="mongo")
        command.add_argument("--app", type=Path, default=ROOT, help="folder with another app.py")
    _add_options_of_run(run)
    return parser


def _add_options_of_run(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--socket-port",
        type=_port,
        help="by default the port after the HTTP port; 0 for any free port",
    )
    run.add_argument("--workers", type=_positive, metavar="N", help="by default one for each core")
    run.add_argument(
        "--dev",
        action="store_true",
        help="one worker on this terminal, for breakpoints; changed code runs at once",
    )
    run.add_argument("--demo", action=argparse.BooleanOptionalAction, default=True)
    run.add_argument("--web", type=Path, default=ROOT / "web", help="folder of the web client")
    run.add_argument(
        "--allow-host",
        type=_name,
        action="append",
        default=[],
        metavar="NAME",
        help="also serve under this name, and to its pages; repeat for each name",
    )
    run.add_argument(
        "--schedule-seconds",
        type=float,
        metavar="S",
        help="run each schedule every S seconds; 0: never",
    )
    for name, meaning in (
        ("idle", "close sockets that were idle for this long"),
        ("lifetime", "close sockets after this long"),
        ("integration", "wait this long for the answer of a function"),
    ):
        default = getattr(Limits, name)
        run.add_argument(
            f"--{name}-seconds", type=float, default=default, metavar="S", help=meaning
        )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {LAST_PORT}")
    return int(text)


def _name(text: str) -> str:
    if not is_name(text.lower()):
        raise argparse.ArgumentTypeError("a name, without scheme and port")
    return text.lower()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _fill(state: Path) -> None:
    demo.fill(_running(state)["http_url"])
    for account in demo.ACCOUNTS:
        print(f"{account.username:5} {account.password}")


def _show_environment(state: Path) -> None:
    environment = _running(state)["environment"]
    if sys.stdout.isatty():
        raise CloudFailed(
            "This prints keys, so it does not print to a terminal. Have your shell read it:\n"
            'eval "$(.venv/bin/python -m local environment)"'
        )
    for name, value in sorted(environment.items()):
        print(f"export {name}={shlex.quote(value)}")


def _running(state: Path) -> dict[str, Any]:
    running = State(state).running()
    if running is None:
        raise CloudFailed("No local cloud is running here. Start one with: make run")
    return running


def _options(given: argparse.Namespace) -> Options:
    common = {
        "http_port": given.http_port,
        "state": given.state,
        "messages": given.messages,
        "app": given.app.resolve(),
    }
    if given.command == "services":
        return Options(**common, socket_port=0)
    return Options(
        **common,
        socket_port=given.socket_port,
        workers=given.workers or (1 if given.dev else os.cpu_count() or 1),
        demo=given.demo,
        schedule_seconds=given.schedule_seconds,
        limits=Limits(
            idle=given.idle_seconds,
            lifetime=given.lifetime_seconds,
            integration=given.integration_seconds,
        ),
        web=given.web.resolve(),
        allow_hosts=frozenset(given.allow_host),
        dev=given.dev,
    )


def _check(options: Options) -> None:
    State(options.state).require_unclaimed()
    Listeners.bind(options).close()


def main() -> None:
    """Run one command; exits with 1 and a sentence if it fails."""
    given = _parser().parse_args()
    try:
        if given.command == "demo":
            _fill(given.state)
        elif given.command == "environment":
            _show_environment(given.state)
        elif given.check:
            _check(_options(given))
        else:
            from local import cloud  # the other commands run on a bare Python

            start = cloud.run if given.command == "run" else cloud.services
            start(_options(given))
    except (CloudFailed, AlreadyRunning, demo.DemoFailed) as problem:
        sys.exit(f"\n{problem}")


if __name__ == "__main__":
    main()
