-- A push token may be registered for several accounts: knowing it must not be enough to move it.
-- `device_digest` is of the key of the device that registered it: the same device may move it.
ALTER TABLE push_tokens ADD COLUMN device_digest bytea;
-- Not additive: the version before deletes the other rows of a token itself, and needs no constraint.
ALTER TABLE push_tokens DROP CONSTRAINT push_tokens_token;
CREATE INDEX push_tokens_by_token ON push_tokens (token);

-- A deleted account lets go of its username; nobody can register what takes its place.
UPDATE users SET username = id::text WHERE deleted_at IS NOT NULL;
