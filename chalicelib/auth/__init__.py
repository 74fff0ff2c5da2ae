"""Accounts: sign-in, sessions, access tokens and their revocation."""
