-- What was granted beyond what everybody may do.
CREATE TABLE user_roles (
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('moderator', 'admin')),
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, role)
);

ALTER TABLE users
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN suspension_reason text,
    ADD CONSTRAINT users_suspended
        CHECK ((suspended_at IS NULL) = (suspension_reason IS NULL));

-- For searches by prefix: they compare byte by byte, whatever the collation of the database is.
CREATE INDEX users_by_prefix ON users (username COLLATE "C") WHERE deleted_at IS NULL;

-- Who did what to whom. One act at a time writes here, so ids are in the order of the commits.
-- `actor` is a user's id, or 'operator'; nothing refers to users, whom the log outlives.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target uuid NOT NULL,
    address text
);
CREATE INDEX audit_log_of_actor ON audit_log (actor, id);
CREATE INDEX audit_log_of_target ON audit_log (target, id);
CREATE INDEX audit_log_of_action ON audit_log (action, id);
