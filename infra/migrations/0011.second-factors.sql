-- What an account shares with an authenticator app (RFC 6238); asked for once it was confirmed.
-- `last_step` is the newest time step whose code was used: each is good once.
CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users,
    secret text NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0
);

-- What takes the place of a lost authenticator; each is deleted with its use.
CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users,
    digest bytea NOT NULL,
    PRIMARY KEY (user_id, digest)
);
