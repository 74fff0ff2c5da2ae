"""Serves what the app needs of AWS and Google: stand-ins, and the API for sockets."""

import asyncio
import contextlib
import os
import shlex
import sys
from pathlib import Path

from local.cloud.base import Base
from local.gateways.management import ManagementApi, NoConnections, Sockets
from local.options import Options
from local.sigv4 import Verifier


class Services:
    """Serves what `chalice local` needs."""

    def __init__(self, options: Options, base: Base) -> None:
        self._options = options
        self._base = base

    async def serve(self) -> None:
        """Start the stand-ins, write the app's environment to a file, stay until cancelled."""
        base = self._base
        async with contextlib.AsyncExitStack() as stack:
            await start_stand_ins(stack, base)
            await start_management(stack, base, NoConnections())
            lines = "".join(
                f"export {name}={shlex.quote(value)}\n"
                for name, value in sorted(base.environment.items())
            )
            path = base.state.folder / "services.env"
            base.state.write(path, lines)
            stack.callback(path.unlink, missing_ok=True)
            # Not printed: it holds keys.
            base.console.plain(
                f"\n  Environment   {path}\n\n"
                f"  In another terminal:  . {shlex.quote(os.path.relpath(path))} && "
                f"{_chalice()} local --no-autoreload --port {self._options.http_port}\n\n"
                "  Ctrl-C stops the servers.\n"
            )
            await asyncio.Event().wait()


async def start_stand_ins(stack: contextlib.AsyncExitStack, base: Base) -> None:
    """Serve FCM, SES and Google until the stack is closed."""
    for stand_in, listener in (
        (base.fcm, base.listeners.fcm),
        (base.ses, base.listeners.ses),
        (base.google, base.listeners.google),
    ):
        stack.push_async_callback(stand_in.stop)
        await stand_in.start(listener)


async def start_management(stack: contextlib.AsyncExitStack, base: Base, sockets: Sockets) -> None:
    """Serve the API that posts to sockets until the stack is closed."""
    management = ManagementApi(
        sockets=sockets,
        verifier=Verifier(base.keys.aws.access_key, base.keys.aws.secret_key),
        report=base.console.problem,
    )
    stack.push_async_callback(management.stop)
    await management.start(base.listeners.management)


def _chalice() -> str:
    return shlex.quote(os.path.relpath(Path(sys.executable).with_name("chalice")))
