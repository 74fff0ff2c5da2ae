"""What the tables of programs hold about a user. It is erased with the user's sessions."""

from chalicelib.auth import sql as auth

EXPORT = {
    "programs": f"SELECT DISTINCT k.id AS client_id, k.name, s.scope FROM {auth.SESSION}"
    " JOIN oauth_clients k ON k.id = s.client_id"
    " WHERE s.user_id = %s AND s.revoked_at IS NULL ORDER BY 1, 3",
    "consents": "SELECT c.client_id, k.name, c.scopes, c.agreed_at FROM oauth_consents c"
    " JOIN oauth_clients k ON k.id = c.client_id WHERE c.user_id = %s ORDER BY c.client_id",
}
