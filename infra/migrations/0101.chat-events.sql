-- What other services are to learn about chats and messages. A row leaves when RabbitMQ has confirmed
-- its event. An event of a message comes here only where its delivery was done first.
CREATE TABLE chat_events (
    id uuid PRIMARY KEY,
    type text NOT NULL,
    data jsonb NOT NULL,
    at timestamptz NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);
