"""Builds the settings, the connections to the servers, and other objects that all features use."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chalicelib import logs
from chalicelib.config import Settings

if TYPE_CHECKING:
    import redis

    from chalicelib.broker.publisher import Broker
    from chalicelib.domain_events.consumers import EventConsumers
    from chalicelib.domain_events.service import DomainEvents
    from chalicelib.drivers.postgres import Postgres
    from chalicelib.limits.guesses import Throttle


T = TypeVar("T")


class CoreDeps:
    def later(self, made: Callable[[Any], T]) -> Callable[[], T]:
        """A function that returns the value of a property, such as `CoreDeps.broker`. The first
        call builds it.

        Pass this where a part is not needed for every event. Then an event that does not use the
        part does not load its SDK. A fake that a test puts into `vars(deps)` is found, too. Where
        only one method of the part is needed, pass a lambda that calls the method.
        """
        found = cast(cached_property[T], made)
        return lambda: found.__get__(self)

    @cached_property
    def settings(self) -> Settings:
        settings = Settings.load()
        logs.set_level(settings.log_level)
        return settings

    @cached_property
    def redis(self) -> "redis.Redis":
        from chalicelib.drivers.redis import connect

        return connect(self.settings.redis_url.get_secret_value())

    @cached_property
    def postgres(self) -> "Postgres":
        from chalicelib.drivers.postgres import Postgres

        settings = self.settings
        return Postgres(settings.postgres_url.get_secret_value(), pooled=settings.postgres_pooled)

    @cached_property
    def broker(self) -> "Broker":
        from chalicelib.broker.publisher import Broker

        return Broker(
            self.settings.amqp_url.get_secret_value(),
            retry_seconds=self.settings.push_retry_seconds,
        )

    @cached_property
    def throttle(self) -> "Throttle":
        from chalicelib.limits.guesses import Throttle

        return Throttle(self.redis, self.settings.limits)

    @cached_property
    def domain_events(self) -> "DomainEvents":
        from chalicelib.domain_events.outbox import EventOutbox
        from chalicelib.domain_events.service import DomainEvents

        return DomainEvents(
            self.settings, outbox=EventOutbox(self.postgres), broker=self.later(CoreDeps.broker)
        )

    @cached_property
    def event_consumers(self) -> "EventConsumers":
        from chalicelib.domain_events.consumers import EventConsumers

        return EventConsumers(self.settings)

    @cached_property
    def apply_schema(self) -> "Callable[[], None]":
        from chalicelib import schema

        return partial(schema.apply, self.settings)

    @cached_property
    def retire_accounts(self) -> "Callable[[], list[str]]":
        from chalicelib import schema

        return partial(schema.retire, self.settings)
