-- Grows with each change of what others see of a user, so that no cache takes an older one for newer.
ALTER TABLE users ADD COLUMN revision bigint NOT NULL DEFAULT 0;
