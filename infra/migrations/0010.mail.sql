-- An address belongs to the account that has verified it. Until then it is a claim, which several
-- accounts may make: so registering with an address tells nothing of other accounts.
ALTER TABLE users
    ADD COLUMN email_verified_at timestamptz,
    DROP CONSTRAINT users_email,
    ADD CONSTRAINT users_verified CHECK (email_verified_at IS NULL OR email IS NOT NULL);
CREATE UNIQUE INDEX users_email ON users (email) WHERE email_verified_at IS NOT NULL;
CREATE INDEX users_claiming ON users (email, id) WHERE email_verified_at IS NULL;

-- What is to be mailed: `subject` is a user's id for 'verify', a typed address for 'reset', a
-- session's id for 'signed_in'. The text, and what is secret in it, is made when it is sent.
CREATE TABLE mails (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('verify', 'reset', 'signed_in')),
    subject text NOT NULL,
    due_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    CONSTRAINT mails_once UNIQUE (kind, subject)
);
CREATE INDEX mails_due ON mails (due_at);

-- What a mailed link proves: one of a kind for each account, so the newest replaces the older.
CREATE TABLE mail_tokens (
    user_id uuid NOT NULL REFERENCES users,
    purpose text NOT NULL CHECK (purpose IN ('verify', 'reset')),
    digest bytea NOT NULL CONSTRAINT mail_tokens_digest UNIQUE,
    address text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, purpose)
);
CREATE INDEX mail_tokens_expired ON mail_tokens (expires_at);
