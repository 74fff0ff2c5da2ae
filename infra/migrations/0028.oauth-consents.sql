-- What users agreed to for programs of others. With it, a program that asks again for no more gets its
-- code without a page.
CREATE TABLE oauth_consents (
    user_id uuid REFERENCES users,
    client_id uuid REFERENCES oauth_clients,
    scopes text[] NOT NULL,
    agreed_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX oauth_consents_of_client ON oauth_consents (client_id);
