-- What a program may do without, and what it gets besides. `require_pkce`: it must send a challenge
-- with each request; without, a nonce may stand for it. `claims_in_id_token`: its ID tokens say what
-- its scopes let it learn of a user, as userinfo does.
ALTER TABLE oauth_clients
    ADD COLUMN require_pkce boolean NOT NULL DEFAULT true,
    ADD COLUMN claims_in_id_token boolean NOT NULL DEFAULT false;
