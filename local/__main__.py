"""The command line of the local cloud: run, services, demo, environment."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from local import demo
from local.limits import Limits
from local.names import is_name
from local.options import ROOT, CloudFailed, Options
from local.state import State


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve Parley on this machine until Ctrl-C")
    services = commands.add_parser("services", help="serve what `chalice local` needs")
    filled = commands.add_parser("demo", help="fill two demo accounts and a chat")
    shown = commands.add_parser("environment", help="print that of the running cloud, for a shell")
    for command in (run, services, filled, shown):
        command.add_argument("--state", type=Path, default=ROOT / ".local", metavar="FOLDER")
    for command in (run, services):
        command.add_argument("--http-port", type=_port, default=8000, help="0 for any free one")
        command.add_argument("--messages", choices=["mongo", "postgres"], default="mongo")
        command.add_argument("--app", type=Path, default=ROOT, help="folder with another app.py")
    run.add_argument("--socket-port", type=_port, default=8001, help="0 for any free one")
    run.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, metavar="N")
    run.add_argument("--demo", action=argparse.BooleanOptionalAction, default=True)
    run.add_argument("--web", type=Path, default=ROOT / "web", help="folder of the web client")
    run.add_argument(
        "--allow-host",
        type=_name,
        action="append",
        default=[],
        metavar="NAME",
        help="serve under this name too, to pages of it too; for each name once",
    )
    run.add_argument(
        "--schedule-seconds",
        type=float,
        metavar="S",
        help="run every schedule at this rate; 0 for never",
    )
    for name, meaning in (
        ("idle", "close sockets on which nothing was sent for this long"),
        ("lifetime", "close sockets that are this old"),
        ("integration", "give up on an answer of a function after this long"),
    ):
        default = getattr(Limits, name)
        run.add_argument(
            f"--{name}-seconds", type=float, default=default, metavar="S", help=meaning
        )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


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
    for name, value in sorted(_running(state)["environment"].items()):
        print(f"export {name}={shlex.quote(value)}")


def _running(state: Path) -> dict[str, Any]:
    running = State(state).running()
    if running is None:
        raise CloudFailed("No local cloud is running here. Start one with: make run")
    return running


def main() -> None:
    """Run one command; exits with 1 and a sentence where that fails."""
    given = _parser().parse_args()
    try:
        if given.command == "demo":
            _fill(given.state)
            return
        if given.command == "environment":
            _show_environment(given.state)
            return
        from local import cloud  # the other commands need none of this

        if given.command == "services":
            # The port that `chalice local` will serve on is not ours to listen on.
            cloud.services(
                Options(
                    http_port=given.http_port,
                    socket_port=0,
                    state=given.state,
                    messages=given.messages,
                    app=given.app.resolve(),
                )
            )
            return
        cloud.run(
            Options(
                http_port=given.http_port,
                socket_port=given.socket_port,
                workers=given.workers,
                state=given.state,
                messages=given.messages,
                demo=given.demo,
                schedule_seconds=given.schedule_seconds,
                limits=Limits(
                    idle=given.idle_seconds,
                    lifetime=given.lifetime_seconds,
                    integration=given.integration_seconds,
                ),
                app=given.app.resolve(),
                web=given.web.resolve(),
                allow_hosts=frozenset(given.allow_host),
            )
        )
    except (CloudFailed, demo.DemoFailed) as problem:
        sys.exit(f"\n{problem}")


if __name__ == "__main__":
    main()
