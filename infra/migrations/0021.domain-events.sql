-- What other services are to learn about users, written by the statement that makes the change. A row
-- leaves when RabbitMQ has confirmed its event. `due_at` is later than `at` while a function publishes it.
CREATE TABLE domain_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    type text NOT NULL,
    data jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX domain_events_due ON domain_events (due_at, id);
CREATE INDEX domain_events_age ON domain_events (at);
