"""Starts what the cloud stands on: state folder, ports, keys, servers, schema."""

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from local import keys
from local.cloud import signals, terminal
from local.cloud.console import Console
from local.environment import app_environment, with_inherited
from local.options import CloudFailed, Listeners, Options, url
from local.servers import Servers, start_all
from local.sigv4 import Verifier
from local.stand_ins.fcm import Fcm
from local.stand_ins.google import Google
from local.stand_ins.mails import Mails
from local.stand_ins.pushes import Pushes
from local.stand_ins.ses import Ses
from local.state import AlreadyRunning, State

SCHEMA_SECONDS = 120.0
_APPLY_SCHEMA = (
    "from chalicelib.config import Settings; from chalicelib.schema import apply; "
    "apply(Settings.load())"
)


@dataclass(frozen=True)
class Base:
    """What runs before the event loop starts."""

    console: Console
    state: State
    listeners: Listeners
    keys: keys.Keys
    fcm: Fcm
    pushes: Pushes
    ses: Ses
    google: Google
    mails: Mails
    servers: Servers
    environment: dict[str, str]


@contextlib.contextmanager
def started(options: Options, console: Console) -> Iterator[Base]:
    """Hold the state folder, the ports and the servers for as long as the block runs."""
    _raise_file_limit()
    state = State(options.state)
    with contextlib.ExitStack() as stack:
        signals.raise_stopped()
        terminal.hang_up_with_it()
        try:
            state.claim()
            stack.callback(state.release)
            listeners = Listeners.bind(options)
            stack.callback(listeners.close)
            found = keys.load(state.keys)
            pushes = Pushes()
            fcm = Fcm(account=found.service_account, pushes=pushes, url=url(listeners.fcm))
            mails = Mails()
            ses = _ses(found, mails, listeners)
            google = Google(url=url(listeners.google))
            servers = start_all(state.folder, _wanted(options), console.step)
            stack.callback(servers.stop)
            stack.callback(signals.ignore)
            environment = app_environment(listeners, found, fcm, ses, servers)
            _apply_schema(options, environment)
            console.step("schema is up to date")
            yield Base(
                console=console,
                state=state,
                listeners=listeners,
                keys=found,
                fcm=fcm,
                pushes=pushes,
                ses=ses,
                google=google,
                mails=mails,
                servers=servers,
                environment=environment,
            )
        except AlreadyRunning as problem:
            raise CloudFailed(str(problem)) from None
        except signals.Stopped:
            console.plain("\nStopping ...")
            raise


def _ses(found: keys.Keys, mails: Mails, listeners: Listeners) -> Ses:
    verifier = Verifier(found.aws.access_key, found.aws.secret_key, "ses")
    return Ses(verifier=verifier, mails=mails, url=url(listeners.ses))


def _wanted(options: Options) -> list[str]:
    stores = ["postgres"] if options.messages == "postgres" else ["postgres", "mongo"]
    return [*stores, "redis", "rabbitmq", "s3"]


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _apply_schema(options: Options, environment: dict[str, str]) -> None:
    """Bring tables, indexes and queues up to date, in another process as on AWS."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _APPLY_SCHEMA],
            cwd=options.app,
            env=with_inherited(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SCHEMA_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CloudFailed(f"The schema was not applied in {SCHEMA_SECONDS:g} s.") from None
    if done.returncode != 0:
        raise CloudFailed(f"The schema could not be applied:\n{done.stdout}{done.stderr}")
