"""RabbitMQ: what is published, the exchanges and queues, and the accounts."""
