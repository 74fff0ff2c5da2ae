-- An address that a user wants to have instead of their own, until a link that was mailed to it is
-- followed: one at most for each user.
CREATE TABLE email_changes (
    user_id uuid PRIMARY KEY REFERENCES users,
    address text NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX email_changes_expired ON email_changes (expires_at);

-- For 'change', `subject` is a user's id. The version before drops such a row: its user asks again.
ALTER TABLE mails
    DROP CONSTRAINT mails_kind_check,
    ADD CONSTRAINT mails_kind_check
    CHECK (kind IN ('verify', 'reset', 'signed_in', 'passkey', 'export', 'google', 'change'));
ALTER TABLE mail_links
    DROP CONSTRAINT mail_links_purpose_check,
    ADD CONSTRAINT mail_links_purpose_check CHECK (purpose IN ('verify', 'reset', 'change'));
