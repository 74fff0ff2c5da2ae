-- One signed-in device. Of refresh tokens only digests are kept: of the one issued last, and of
-- the one that was traded for it. `seed` is what the last was derived with from the one before.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    current_digest bytea NOT NULL,
    previous_digest bytea,
    seed bytea,
    rotated_at timestamptz NOT NULL,
    device_name text,
    user_agent text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_expired ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
