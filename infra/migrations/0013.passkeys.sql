-- Public keys of passkeys (WebAuthn), in COSE form. `sign_count` is the newest that the passkey sent.
CREATE TABLE passkeys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    credential_id bytea NOT NULL CONSTRAINT passkeys_credential UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX passkeys_user ON passkeys (user_id);

-- For 'passkey', `subject` is the passkey's id.
ALTER TABLE mails
    DROP CONSTRAINT mails_kind_check,
    ADD CONSTRAINT mails_kind_check
        CHECK (kind IN ('verify', 'reset', 'signed_in', 'passkey', 'export'));
