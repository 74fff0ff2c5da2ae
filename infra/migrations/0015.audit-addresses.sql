-- Addresses of those who acted are forgotten in time; these are the ones still to be.
CREATE INDEX audit_log_addresses ON audit_log (at) WHERE address IS NOT NULL;
