-- Google accounts that sign in to accounts: by Google's `sub`, which stays when an address changes.
CREATE TABLE google_accounts (
    user_id uuid PRIMARY KEY REFERENCES users,
    subject text NOT NULL CONSTRAINT google_accounts_subject UNIQUE,
    linked_at timestamptz NOT NULL
);

-- For 'google', `subject` is a user's id.
ALTER TABLE mails
    DROP CONSTRAINT mails_kind_check,
    ADD CONSTRAINT mails_kind_check
    CHECK (kind IN ('verify', 'reset', 'signed_in', 'passkey', 'export', 'google'));
