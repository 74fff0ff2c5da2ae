-- When the user of a grant signed in on the provider's page: ID tokens say so as long as the grant
-- lasts. It is not known of older grants, and there is none of our own sessions.
ALTER TABLE sessions ADD COLUMN auth_time timestamptz;
