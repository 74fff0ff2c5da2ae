"""`python -m infra.deploy`: what the Makefile's targets for AWS run."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, get_args

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.scopes import Role
from infra.deploy import stages
from infra.deploy.aws import told
from infra.deploy.commands.deploy import Deploy
from infra.deploy.commands.destroy import Destroy
from infra.deploy.commands.rollback import Rollback
from infra.deploy.commands.rotate import Rotate
from infra.deploy.console import Console
from infra.deploy.errors import Stopped
from infra.deploy.functions import maintenance
from infra.deploy.place import Place
from infra.smoke import Smoke

AGAIN = "When the cause is fixed, run the same command again. It continues where it stopped."


def main(arguments: list[str] | None = None) -> None:
    """Run one command; a failure ends with a sentence that says what to do."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the lock is released
    given = _parser().parse_args(arguments)
    console = Console()
    try:
        _run(given, console)
    except Stopped as problem:
        sys.exit(f"\n{problem}\n{AGAIN}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"\n{told(error)}\n{AGAIN}")
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. {AGAIN}")


def _run(given: argparse.Namespace, console: Console) -> None:
    place = Place(stages.load(given.stage), console)
    if given.command == "deploy" and given.dry_run:
        for line in Deploy(place, fcm=given.fcm).plan():
            console.say(line)
        return
    console.say(f"{place.project.named()}: {given.command}")
    if given.command == "deploy":
        Deploy(place, fcm=given.fcm).run()
    elif given.command == "rollback":
        Rollback(place).run()
    elif given.command == "destroy":
        Destroy(place).run()
    elif given.command == "rotate-keys":
        Rotate(place).run()
    elif given.command == "grant":
        grant(place, given.username, given.role)
    elif given.command == "smoke":
        smoke(place, given.push_token)
    elif given.command == "oauth-client":
        register(place, _client(given))
    elif given.command == "event-consumer":
        let_consume(place, given.name, given.events.split(), remove=given.remove)
    else:
        redrive(place, given.limit)


def redrive(place: Place, limit: int) -> None:
    """Put dead pushes back into their queues."""
    place.check()
    order = {"task": "redrive", "limit": limit}
    answer = maintenance.invoke(place.aws, place.project.function("maintain").name, order)
    place.console.say(f"  {answer['moved']} will be tried again, {answer['left']} are left.")


def grant(place: Place, username: str, role: str) -> None:
    """Give a user a role. The first admin is made like this."""
    place.check()
    order = {"task": "grant", "username": username, "role": role}
    answer = maintenance.invoke(place.aws, place.project.function("maintain").name, order)
    place.console.say(f"  {username} has the role {role} from their next sign-in or refresh on.")
    place.console.say(f"  The audit log knows them as {answer['user_id']}.")


def smoke(place: Place, push_token: str) -> None:
    """Have two people chat on the stage, from outside."""
    place.check()
    Smoke(place.addresses["ISSUER"], place.console, push_token).run()


def register(place: Place, client: dict[str, Any]) -> None:
    """Register an OAuth client, and show its secret once."""
    place.check()
    order = {"task": "oauth-client", "client": client}
    answer = maintenance.invoke(place.aws, place.project.function("maintain").name, order)
    place.console.say(f"  client_id:     {answer['client_id']}")
    if answer["client_secret"] is not None:
        place.console.say(f"  client_secret: {answer['client_secret']}")
        place.console.say("  Keep the secret now: only its digest is kept here.")


def let_consume(place: Place, name: str, events: list[str], *, remove: bool) -> None:
    """Give a service an account that consumes these events (all if none is named), and show its
    password once. With `remove`, delete the account and its queue."""
    place.check()
    order = {"task": "event-consumer", "consumer": name, "remove": remove}
    if events:
        order["events"] = events
    answer = maintenance.invoke(place.aws, place.project.function("maintain").name, order)
    if remove:
        place.console.say(f"  {name} cannot consume events any more. Its queue is deleted.")
        return
    place.console.say(f"  AMQP_URL: {answer['url']}")
    place.console.say(f"  QUEUE:    {answer['queue']}")
    place.console.say("  Keep the URL now: its password is not shown again.")


def _client(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "name": given.name,
        "redirect_uris": given.redirect_uris.split(),
        "post_logout_redirect_uris": given.post_logout_redirect_uris.split(),
        "scopes": given.scopes.split(),
        "confidential": not given.public,
        "require_pkce": not given.optional_pkce,
        "claims_in_id_token": given.claims_in_id_token,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in (
        "deploy", "rollback", "destroy", "rotate-keys", "redrive", "grant", "oauth-client",
        "event-consumer", "smoke",
    ):  # fmt: skip
        command = commands.add_parser(name)
        command.add_argument("--stage", required=True)
        if name == "deploy":
            command.add_argument("--dry-run", action="store_true")
            command.add_argument("--fcm", type=Path)
        if name == "smoke":
            command.add_argument("--push-token", default="")
        if name == "redrive":
            command.add_argument("--limit", type=_positive, default=1000)
        if name == "grant":
            command.add_argument("--username", type=_given, required=True)
            command.add_argument("--role", choices=get_args(Role), required=True)
        if name == "event-consumer":
            command.add_argument("--name", type=_given, required=True)
            command.add_argument("--events", default="")
            command.add_argument("--remove", action="store_true")
        if name == "oauth-client":
            command.add_argument("--name", type=_given, required=True)
            command.add_argument("--scopes", type=_given, required=True)
            command.add_argument("--redirect-uris", default="")
            command.add_argument("--post-logout-redirect-uris", default="")
            command.add_argument("--public", action="store_true")
            command.add_argument("--optional-pkce", action="store_true")
            command.add_argument("--claims-in-id-token", action="store_true")
    return parser


def _given(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be positive")
    return number


if __name__ == "__main__":
    main()
