"""Composes the local cloud: servers, keys, schema, workers, gateways, triggers, schedules."""

import asyncio
import contextlib
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from local import demo, keys, terminal
from local.console import Console
from local.dev import Code, DevHttpGateway, DevPool
from local.environment import app_environment, with_inherited
from local.fcm import Fcm
from local.functions import Function, Registered, read_config, registered
from local.google import Google
from local.http_gateway import HttpGateway
from local.logs import WorkerLog
from local.mails import Mails
from local.management import ManagementApi, NoConnections, Sockets
from local.names import Names
from local.options import CloudFailed, Listeners, Options, page, url
from local.pages import Pages
from local.pushes import Pushes
from local.schedules import Schedules, ScheduleUnsupported
from local.servers import Servers, start_all
from local.ses import Ses
from local.sigv4 import Verifier
from local.socket_gateway import SocketGateway
from local.state import AlreadyRunning, State
from local.triggers import Triggers
from local.web import WebClient
from local.workers import AppBroken, WorkerPool

SCHEMA_SECONDS = 120.0
LOOK_EVERY = 0.5
_APPLY_SCHEMA = (
    "from chalicelib.config import Settings; from chalicelib.schema import apply; "
    "apply(Settings.load())"
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: Options) -> None:
    """Serve the app until Ctrl-C, a signal or the end of the terminal. Raises CloudFailed."""
    with terminal.restored(), contextlib.suppress(_Stopped), _started(options, Console()) as base:
        uvloop.run(_until_stopped(_Cloud(options, base).serve()))
        base.console.plain("\nStopping ...")


def services(options: Options) -> None:
    """Serve what the app needs, and keep the environment that `chalice local` wants in a file."""
    with contextlib.suppress(_Stopped), _started(options, Console()) as base:
        # `chalice local` is to listen there, not we.
        base.listeners.close_public()
        uvloop.run(_until_stopped(_Cloud(options, base).serve_services()))
        base.console.plain("\nStopping ...")


class _Stopped(BaseException):
    """A signal asked the process to end while it was starting."""


@dataclass(frozen=True)
class _Base:
    """What is there before the event loop runs."""

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
def _started(options: Options, console: Console) -> Iterator[_Base]:
    """Hold the state folder, the ports and the servers for as long as the block runs."""
    _raise_file_limit()
    state = State(options.state)
    with contextlib.ExitStack() as stack:
        _on_signals(_raise_stopped)
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
            stack.callback(_on_signals, signal.SIG_IGN)
            environment = app_environment(listeners, found, fcm, ses, servers)
            _apply_schema(options, environment)
            console.step("schema is up to date")
            yield _Base(
                console,
                state,
                listeners,
                found,
                fcm,
                pushes,
                ses,
                google,
                mails,
                servers,
                environment,
            )
        except AlreadyRunning as problem:
            raise CloudFailed(str(problem)) from None
        except _Stopped:
            console.plain("\nStopping ...")
            raise


def _ses(found: keys.Keys, mails: Mails, listeners: Listeners) -> Ses:
    verifier = Verifier(found.aws.access_key, found.aws.secret_key, "ses")
    return Ses(verifier=verifier, mails=mails, url=url(listeners.ses))


def _wanted(options: Options) -> list[str]:
    stores = ["postgres"] if options.messages == "postgres" else ["postgres", "mongo"]
    return [*stores, "redis", "rabbitmq", "s3"]


def _on_signals(action: Any) -> None:
    for number in _SIGNALS:
        signal.signal(number, action)


def _raise_stopped(*_: Any) -> NoReturn:
    # Once is enough: nothing may interrupt the stopping.
    _on_signals(signal.SIG_IGN)
    raise _Stopped


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _apply_schema(options: Options, environment: dict[str, str]) -> None:
    """Bring tables, indexes and queues up to date, in a process of its own as on AWS."""
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


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until it ends or a signal arrives; what it holds is then released in order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not task.cancelling():
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _chalice() -> str:
    return shlex.quote(os.path.relpath(Path(sys.executable).with_name("chalice")))


class _Cloud:
    """The part that lives in the event loop."""

    def __init__(self, options: Options, base: _Base) -> None:
        self._options = options
        self._base = base
        self._console = base.console
        self._published = False

    async def serve(self) -> None:
        """Start everything, say where it is, and stay until cancelled."""
        base, options = self._base, self._options
        async with contextlib.AsyncExitStack() as stack:
            await self._start_stand_ins(stack)
            pool = await self._start_pool(stack)
            app = await self._describe(pool)
            names = Names(base.listeners.http.getsockname()[1], options.allow_hosts)
            sockets = SocketGateway(
                pool=pool,
                functions=app.sockets,
                limits=options.limits,
                report=self._console.problem,
                names=names,
            )
            await self._start_management(stack, sockets)
            stack.push_async_callback(sockets.stop)
            await sockets.start(base.listeners.sockets)
            self._start_triggers(stack, pool, app)
            http = self._http_gateway(pool, app, names)
            stack.push_async_callback(http.stop)
            # Before the gateway answers: a client with an answer may look for the cloud.
            self._published = True
            self._publish(pool)
            await http.start(base.listeners.http)
            self._console.step("gateways, triggers and schedules are ready")
            if options.demo:
                await self._fill_demo()
            self._say_where()
            await self._watch_servers(pool)

    async def serve_services(self) -> None:
        """Start what the app needs, write its environment, and stay until cancelled."""
        base = self._base
        async with contextlib.AsyncExitStack() as stack:
            await self._start_stand_ins(stack)
            await self._start_management(stack, NoConnections())
            lines = "".join(
                f"export {name}={shlex.quote(value)}\n"
                for name, value in sorted(base.environment.items())
            )
            path = base.state.folder / "services.env"
            base.state.write(path, lines)
            stack.callback(path.unlink, missing_ok=True)
            # Never on the terminal: it holds keys.
            self._console.plain(
                f"\n  Environment   {path}\n\n"
                f"  In another terminal:  . {shlex.quote(os.path.relpath(path))} && "
                f"{_chalice()} local --no-autoreload --port {self._options.http_port}\n\n"
                "  Ctrl-C stops the servers.\n"
            )
            await asyncio.Event().wait()

    async def _start_stand_ins(self, stack: contextlib.AsyncExitStack) -> None:
        base = self._base
        stack.push_async_callback(base.fcm.stop)
        await base.fcm.start(base.listeners.fcm)
        stack.push_async_callback(base.ses.stop)
        await base.ses.start(base.listeners.ses)
        stack.push_async_callback(base.google.stop)
        await base.google.start(base.listeners.google)

    async def _start_pool(self, stack: contextlib.AsyncExitStack) -> WorkerPool:
        log = WorkerLog(self._base.state.worker_log, self._console.problem)
        stack.callback(log.close)
        await log.start()
        given: dict[str, Any] = {
            "folder": self._options.app,
            "environment": with_inherited(self._base.environment),
            "log": log,
            "report": self._console.problem,
            "changed": lambda: self._publish(pool),
        }
        pool: WorkerPool
        if self._options.dev:
            pool = DevPool(code=Code(self._options.app), **given)
        else:
            pool = WorkerPool(**given)
        stack.push_async_callback(pool.stop)
        try:
            await pool.start(self._options.workers)
        except AppBroken as problem:
            raise CloudFailed(str(problem)) from None
        self._console.step(f"{self._options.workers} workers are ready")
        return pool

    def _http_gateway(self, pool: WorkerPool, app: Registered, names: Names) -> HttpGateway:
        base, options = self._base, self._options
        given: dict[str, Any] = {
            "app": app,
            "limits": options.limits,
            "report": self._console.problem,
            "pages": Pages(
                client=WebClient(options.web, dev=options.dev),
                pushes=base.pushes,
                mails=base.mails,
                report=self._console.problem,
            ),
            "names": names,
        }
        if isinstance(pool, DevPool):
            return DevHttpGateway(pool=pool, describe=lambda: self._describe(pool), **given)
        return HttpGateway(pool=pool, **given)

    async def _describe(self, pool: WorkerPool) -> Registered:
        outcome = await pool.invoke(Function("describe", "describe"), b"{}")
        if outcome.failure is not None:
            raise CloudFailed(f"The app could not be read: {outcome.message}")
        return registered(outcome.result, read_config(self._options.app, "local"))

    async def _start_management(self, stack: contextlib.AsyncExitStack, sockets: Sockets) -> None:
        aws = self._base.keys.aws
        management = ManagementApi(
            sockets=sockets,
            verifier=Verifier(aws.access_key, aws.secret_key),
            report=self._console.problem,
        )
        stack.push_async_callback(management.stop)
        await management.start(self._base.listeners.management)

    def _start_triggers(
        self, stack: contextlib.AsyncExitStack, pool: WorkerPool, app: Registered
    ) -> None:
        if app.queues and "notify" not in app.functions:
            raise CloudFailed("The app names push queues but has no function called 'notify'.")
        if app.queues:
            triggers = Triggers(
                pool=pool,
                amqp_url=self._base.environment["AMQP_URL"],
                queues=app.queues,
                function=app.functions["notify"],
                report=self._console.problem,
            )
            stack.push_async_callback(triggers.stop)
            triggers.start()
        try:
            schedules = Schedules(
                pool=pool,
                schedules=app.schedules,
                report=self._console.problem,
                every=self._options.schedule_seconds,
            )
        except ScheduleUnsupported as problem:
            raise CloudFailed(str(problem)) from None
        stack.push_async_callback(schedules.stop)
        schedules.start()

    async def _fill_demo(self) -> None:
        try:
            await asyncio.to_thread(demo.fill, self._base.environment["ISSUER"])
        except demo.DemoFailed as problem:
            self._console.problem(f"The demo accounts could not be filled: {problem}")
        else:
            self._console.step("demo accounts are ready")

    async def _watch_servers(self, pool: WorkerPool) -> NoReturn:
        """Keep the servers' process ids current: one that died was started again."""
        known = self._base.servers.pids()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if (now := self._base.servers.pids()) != known:
                known = now
                self._publish(pool)

    def _publish(self, pool: WorkerPool) -> None:
        """Keep run.json current, from the moment that everything is ready."""
        if not self._published:
            return
        base = self._base
        base.state.publish(
            {
                "http_url": base.environment["ISSUER"],
                "socket_url": base.environment["WS_URL"],
                "management_url": base.environment["WS_ENDPOINT_URL"],
                "pid": os.getpid(),
                "servers": base.servers.pids(),
                "workers": pool.pids,
                "environment": base.environment,
            }
        )

    def _say_where(self) -> None:
        say = self._console.plain
        say(f"\n  Web client and API   {page(self._base.environment['ISSUER'])}/")
        say(f"  Sockets              {self._base.environment['WS_URL']}")
        say(f"  Logs                 {self._base.state.worker_log.parent}")
        if self._options.demo:
            say("\n  Demo accounts (user name, password):")
            for account in demo.ACCOUNTS:
                say(f"    {account.username:5} {account.password}")
        if self._options.dev:
            say("\n  Changed code counts at once. What functions print comes here, and so does the")
            say("  prompt of breakpoint(). New schedules, queues and migrations need a new start.")
        say("\n  Ctrl-C stops everything.\n")
