"""Serves the app: workers, gateways, triggers, schedules, and where to find them."""

import asyncio
import contextlib
import os
from typing import Any, NoReturn

from local import demo
from local.cloud.base import Base
from local.cloud.dev import Code, DevHttpGateway, DevPool
from local.cloud.services import start_management, start_stand_ins
from local.environment import with_inherited
from local.functions.logs import WorkerLog
from local.functions.pool import AppBroken, WorkerPool
from local.functions.registered import Function, Registered, read_config, registered
from local.functions.schedules import Schedules, ScheduleUnsupported
from local.functions.triggers import Triggers
from local.gateways.http import HttpGateway
from local.gateways.names import Names
from local.gateways.sockets import SocketGateway
from local.options import CloudFailed, Options, page
from local.web.docs import Docs
from local.web.pages import Pages
from local.web.site import WebClient

LOOK_EVERY = 0.5
"""Seconds between two looks at the servers' process ids."""


class Cloud:
    """The app behind its gateways, with triggers and schedules."""

    def __init__(self, options: Options, base: Base) -> None:
        self._options = options
        self._base = base
        self._console = base.console
        self._published = False

    async def serve(self) -> None:
        """Start everything, say where it is, and stay until cancelled."""
        base, options = self._base, self._options
        async with contextlib.AsyncExitStack() as stack:
            await start_stand_ins(stack, base)
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
            await start_management(stack, base, sockets)
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
            "pages": Docs(
                folder=base.state.folder / "docs",
                server=base.environment["ISSUER"],
                socket=base.environment["WS_URL"],
                others=Pages(
                    client=WebClient(options.web, dev=options.dev),
                    pushes=base.pushes,
                    mails=base.mails,
                    report=self._console.problem,
                ),
                report=self._console.problem,
                dev=options.dev,
            ),
            "names": names,
            "issuer": base.environment["ISSUER"],
        }
        if isinstance(pool, DevPool):
            return DevHttpGateway(pool=pool, describe=lambda: self._describe(pool), **given)
        return HttpGateway(pool=pool, **given)

    async def _describe(self, pool: WorkerPool) -> Registered:
        outcome = await pool.invoke(Function("describe", "describe"), b"{}")
        if outcome.failure is not None:
            raise CloudFailed(f"The app could not be read: {outcome.message}")
        return registered(outcome.result, read_config(self._options.app, "local"))

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
        """Keep the servers' process ids current: a server that dies is started again."""
        known = self._base.servers.pids()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if (now := self._base.servers.pids()) != known:
                known = now
                self._publish(pool)

    def _publish(self, pool: WorkerPool) -> None:
        """Write run.json, once everything is ready."""
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
        say(f"  Documentation        {page(self._base.environment['ISSUER'])}/docs/")
        say(f"  Sockets              {self._base.environment['WS_URL']}")
        say(f"  Logs                 {self._base.state.worker_log.parent}")
        if self._options.demo:
            say("\n  Demo accounts (user name, password):")
            for account in demo.ACCOUNTS:
                say(f"    {account.username:5} {account.password}")
        if self._options.dev:
            say("\n  Changed code runs at once. What functions print appears here, and so does the")
            say("  prompt of breakpoint(). For new schedules, queues and migrations, start again.")
        say("\n  Ctrl-C stops everything.\n")
