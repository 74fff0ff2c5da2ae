"""Events for other services about users, sessions, chats and messages, over RabbitMQ."""
