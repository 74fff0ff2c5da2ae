-- A token belongs to one device of one user: a phone that changed hands must not get the former
-- owner's pushes. It lives no longer than the session that brought it.
CREATE TABLE push_tokens (
    user_id uuid NOT NULL REFERENCES users,
    device_id text NOT NULL,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    token text NOT NULL CONSTRAINT push_tokens_token UNIQUE,
    platform text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_id)
);
CREATE INDEX push_tokens_of_session ON push_tokens (session_id);
