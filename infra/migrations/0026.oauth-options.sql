-- Options of a program. `require_pkce`: each request must have a PKCE challenge; where it is false, a
-- nonce may replace that. `claims_in_id_token`: ID tokens have the same claims about the user as
-- userinfo.
ALTER TABLE oauth_clients
    ADD COLUMN require_pkce boolean NOT NULL DEFAULT true,
    ADD COLUMN claims_in_id_token boolean NOT NULL DEFAULT false;
