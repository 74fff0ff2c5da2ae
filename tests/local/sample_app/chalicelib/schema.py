"""Declares the queues, as the real one does among other things."""

import pika

from .broker.pushes import PUSH_QUEUES
from .config import Settings


def apply(settings: Settings) -> None:
    """Declare all queues; safe to repeat."""
    connection = pika.BlockingConnection(pika.URLParameters(settings.amqp_url))
    channel = connection.channel()
    for queue in PUSH_QUEUES:
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    connection.close()
