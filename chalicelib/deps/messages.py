"""Builds chats and messages, and the presence of people who share a chat."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.auth import AuthDeps

if TYPE_CHECKING:
    from chalicelib.live.presence import Presence
    from chalicelib.messages.delivery.publisher import Publisher
    from chalicelib.messages.delivery.redelivery import Redelivery
    from chalicelib.messages.delivery.service import Delivery
    from chalicelib.messages.opening import Opening
    from chalicelib.messages.reading import Reading
    from chalicelib.messages.receipts import Receipts
    from chalicelib.messages.sending import Sending
    from chalicelib.messages.store import MessageStore


class MessagesDeps(AuthDeps):
    @cached_property
    def message_store(self) -> "MessageStore":
        url = self.settings.messages_url.get_secret_value()
        if url.startswith("mongodb"):
            from chalicelib.messages.store.mongo.store import MongoStore

            return MongoStore(url)
        from chalicelib.drivers.postgres import Postgres
        from chalicelib.messages.store.postgres.store import PostgresStore

        if url == self.settings.postgres_url.get_secret_value():
            return PostgresStore(self.postgres)
        return PostgresStore(Postgres(url, pooled=self.settings.postgres_pooled))

    @cached_property
    def publisher(self) -> "Publisher":
        from chalicelib.messages.delivery.publisher import Publisher

        return Publisher(
            self.settings, outbox=self.message_store.outbox, broker=self.later(MessagesDeps.broker)
        )

    @cached_property
    def opening(self) -> "Opening":
        from chalicelib.messages.opening import Opening

        return Opening(
            chats=self.message_store.chats,
            publisher=self.publisher,
            users=self.later(MessagesDeps.users),
        )

    @cached_property
    def delivery(self) -> "Delivery":
        from chalicelib.messages.delivery.service import Delivery

        return Delivery(
            outbox=self.message_store.outbox,
            connections=self.connections,
            gateway=self.gateway,
            publisher=self.publisher,
        )

    @cached_property
    def sending(self) -> "Sending":
        from chalicelib.messages.sending import Sending

        return Sending(timeline=self.message_store.timeline, delivery=self.delivery)

    @cached_property
    def redelivery(self) -> "Redelivery":
        from chalicelib.messages.delivery.redelivery import Redelivery

        return Redelivery(
            self.settings,
            timeline=self.message_store.timeline,
            outbox=self.message_store.outbox,
            connections=self.connections,
            delivery=self.delivery,
            publisher=self.publisher,
        )

    @cached_property
    def reading(self) -> "Reading":
        from chalicelib.messages.reading import Reading

        return Reading(chats=self.message_store.chats, timeline=self.message_store.timeline)

    @cached_property
    def receipts(self) -> "Receipts":
        from chalicelib.messages.receipts import Receipts

        return Receipts(cursors=self.message_store.cursors, gateway=self.gateway)

    @cached_property
    def presence(self) -> "Presence":
        from chalicelib.live.presence import Presence

        return Presence(
            self.settings,
            connections=self.connections,
            gateway=self.gateway,
            acquainted=lambda user_id, others: self.message_store.chats.acquainted(user_id, others),
            still_valid=lambda identity: self.auth.still_valid(identity),
        )
