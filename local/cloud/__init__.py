"""Runs the local cloud: all of it, or only the servers and stand-ins that the app needs."""

import contextlib

import uvloop

from local.cloud import signals, terminal
from local.cloud.base import started
from local.cloud.console import Console
from local.cloud.services import Services
from local.cloud.serving import Cloud
from local.options import Options


def run(options: Options) -> None:
    """Serve the app until Ctrl-C, a signal or the end of the terminal. Raises CloudFailed."""
    with (
        terminal.restored(),
        contextlib.suppress(signals.Stopped),
        started(options, Console()) as base,
    ):
        uvloop.run(signals.until_stopped(Cloud(options, base).serve()))
        base.console.plain("\nStopping ...")


def services(options: Options) -> None:
    """Serve what the app needs, and write the environment for `chalice local` to a file."""
    with contextlib.suppress(signals.Stopped), started(options, Console()) as base:
        base.listeners.close_public()  # `chalice local` listens there
        uvloop.run(signals.until_stopped(Services(options, base).serve()))
        base.console.plain("\nStopping ...")
