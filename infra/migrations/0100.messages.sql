-- Chats, who is in them, and their messages (used where MESSAGES_URL is a postgresql:// URL).
-- Users may live in another database: nothing here refers to their tables.

CREATE TABLE chats (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('direct')),
    last_rev bigint NOT NULL DEFAULT 0,
    last_seq bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    last_activity_at timestamptz NOT NULL
) WITH (fillfactor = 70); -- every send updates the row: no index but the key, room for HOT updates

CREATE TABLE memberships (
    chat_id uuid NOT NULL REFERENCES chats,
    user_id uuid NOT NULL,
    role text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    joined_rev bigint NOT NULL DEFAULT 0,
    read_seq bigint NOT NULL DEFAULT 0,
    delivered_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (chat_id, user_id)
) WITH (fillfactor = 70);

CREATE INDEX memberships_of_user ON memberships (user_id);

CREATE TABLE messages (
    id uuid NOT NULL,
    chat_id uuid NOT NULL REFERENCES chats,
    seq bigint NOT NULL,
    rev bigint NOT NULL,
    sender_id uuid NOT NULL,
    client_id text NOT NULL,
    content jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    edited_at timestamptz,
    deleted_at timestamptz,
    PRIMARY KEY (chat_id, seq),
    UNIQUE (chat_id, rev),
    UNIQUE (chat_id, sender_id, client_id)
);

-- Messages whose delivery is not settled. A table of its own: settling deletes a short row here
-- instead of writing the message and all its index entries again.
CREATE TABLE outbox (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, seq)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    vacuum_truncate = off -- or a plan made while it is nearly empty would scan it when it is not
);
