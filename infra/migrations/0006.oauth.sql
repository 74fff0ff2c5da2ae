-- Programs of others that people sign in to with their account here. A secret is kept as its
-- digest; a client without one is public. A session with a client is a grant to that client, and
-- may do what `scope` says; without a `scope` it may do all that its user may.
CREATE TABLE oauth_clients (
    id text PRIMARY KEY,
    name text NOT NULL,
    secret_digest bytea,
    redirect_uris text[] NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE sessions
    ADD COLUMN client_id text REFERENCES oauth_clients,
    ADD COLUMN scope text;
