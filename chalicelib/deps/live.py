"""Builds connections, and the gateway that sends to them."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.mail import MailDeps

if TYPE_CHECKING:
    from chalicelib.live.connections import Connections
    from chalicelib.live.gateway import Gateway


class LiveDeps(MailDeps):
    @cached_property
    def connections(self) -> "Connections":
        from chalicelib.live.connections import Connections

        return Connections(self.redis, self.settings)

    @cached_property
    def gateway(self) -> "Gateway":
        from chalicelib.live.gateway import Gateway

        return Gateway(self.settings, connections=self.connections)
