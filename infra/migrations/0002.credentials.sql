CREATE TABLE credentials (
    user_id uuid PRIMARY KEY REFERENCES users,
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL
);
