-- Links in mails, several to an account: a newer one leaves those that were mailed before good.
-- `sent_at` is null until the mail was taken; such a link is replaced when the mail is tried again.
-- They take the place of mail_tokens, which the version before still uses while this one is deployed.
CREATE TABLE mail_links (
    digest bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    purpose text NOT NULL CHECK (purpose IN ('verify', 'reset')),
    address text NOT NULL,
    sent_at timestamptz,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX mail_links_of_user ON mail_links (user_id, purpose);
CREATE INDEX mail_links_expired ON mail_links (expires_at);
INSERT INTO mail_links (digest, user_id, purpose, address, sent_at, expires_at, used_at)
    SELECT digest, user_id, purpose, address,
        expires_at - CASE purpose WHEN 'verify' THEN interval '1 day' ELSE interval '30 minutes' END,
        expires_at, used_at
    FROM mail_tokens;

-- Mails about changes of an account, to the address that was verified when it happened. If a change
-- happens again before its mail is sent, it is counted, so there is at most one row of each kind.
CREATE TABLE notices (
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL,
    address text NOT NULL,
    username text NOT NULL,
    detail text NOT NULL,
    times integer NOT NULL DEFAULT 1,
    since timestamptz NOT NULL,
    at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, kind, address)
);
CREATE INDEX notices_due ON notices (due_at);
