-- A deleted user keeps the row and the username, so that messages still have a sender
-- and nobody else can take the name.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL CONSTRAINT users_username UNIQUE,
    email text CONSTRAINT users_email UNIQUE,
    display_name text NOT NULL,
    about text NOT NULL DEFAULT '',
    avatar_url text,
    push_previews boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT users_folded CHECK (username = lower(username) AND email = lower(email)),
    CONSTRAINT users_reachable CHECK ((email IS NULL) = (deleted_at IS NOT NULL))
);
