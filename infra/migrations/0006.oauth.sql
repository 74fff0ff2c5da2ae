-- Programs of others that people sign in to with their account here. A secret is kept as its
-- digest; a client without one is public. Of a deleted one the row stays, for its sessions: a
-- session with a client is a grant to that client, and may do what `scope` says; without a `scope`
-- it may do all that its user may.
CREATE TABLE oauth_clients (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    secret_digest bytea,
    redirect_uris text[] NOT NULL,
    post_logout_redirect_uris text[] NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
ALTER TABLE sessions
    ADD COLUMN client_id uuid REFERENCES oauth_clients,
    ADD COLUMN scope text;
CREATE INDEX sessions_of_client ON sessions (client_id)
    WHERE client_id IS NOT NULL AND revoked_at IS NULL;
