"""OAuth 2.0 and OpenID Connect: programs of others that people sign in to with Parley."""
