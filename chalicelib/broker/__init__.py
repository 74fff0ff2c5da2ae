"""RabbitMQ: publishing, the exchanges and queues, and the accounts."""
