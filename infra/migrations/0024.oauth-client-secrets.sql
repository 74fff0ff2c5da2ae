-- A client's secret that was replaced is good until `former_until`. `used_at` and `former_used_at` say
-- when each was last shown, to the hour; of a public client, which has none, when it last asked.
ALTER TABLE oauth_clients
    ADD COLUMN former_digest bytea,
    ADD COLUMN former_until timestamptz,
    ADD COLUMN used_at timestamptz,
    ADD COLUMN former_used_at timestamptz;
