"""Builds chats and messages, and the presence of people who share a chat."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.auth import AuthDeps

if TYPE_CHECKING:
    from chalicelib.live.presence import Presence
    from chalicelib.messages.service import Messages
    from chalicelib.messages.store import MessageStore


class MessagesDeps(AuthDeps):
    @cached_property
    def message_store(self) -> "MessageStore":
        url = self.settings.messages_url.get_secret_value()
        if url.startswith("mongodb"):
            from chalicelib.messages.store.mongo.messages import MongoMessages

            return MongoMessages(url)
        from chalicelib.drivers.postgres import Postgres
        from chalicelib.messages.store.postgres.messages import PostgresMessages

        if url == self.settings.postgres_url.get_secret_value():
            return PostgresMessages(self.postgres)
        return PostgresMessages(Postgres(url, pooled=self.settings.postgres_pooled))

    @cached_property
    def messages(self) -> "Messages":
        from chalicelib.messages.service import Messages

        return Messages(
            self.settings,
            store=self.message_store,
            connections=self.connections,
            gateway=self.gateway,
            broker=self.later(MessagesDeps.broker),
            users=self.later(MessagesDeps.users),
        )

    @cached_property
    def presence(self) -> "Presence":
        from chalicelib.live.presence import Presence

        return Presence(
            self.settings,
            connections=self.connections,
            gateway=self.gateway,
            acquainted=lambda user_id, others: self.message_store.acquainted(user_id, others),
            still_valid=self.auth.still_valid,
        )
