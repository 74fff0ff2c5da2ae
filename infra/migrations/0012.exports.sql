-- Archives of what is held about a user, made on request. `key` is the archive's name in the bucket.
-- `due_at`: when it is to be made, tried again or deleted; while it is being made, when another
-- function may take it over. A doomed row stays until its archive is certainly deleted.
CREATE TABLE exports (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    state text NOT NULL CHECK (state IN ('waiting', 'ready', 'failed', 'doomed')),
    key text NOT NULL CONSTRAINT exports_key UNIQUE,
    size bigint,
    created_at timestamptz NOT NULL,
    ready_at timestamptz,
    expires_at timestamptz,
    due_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX exports_of_user ON exports (user_id) WHERE state <> 'doomed';
CREATE INDEX exports_due ON exports (due_at);

ALTER TABLE mails
    DROP CONSTRAINT mails_kind_check,
    ADD CONSTRAINT mails_kind_check
        CHECK (kind IN ('verify', 'reset', 'signed_in', 'passkey', 'export'));
