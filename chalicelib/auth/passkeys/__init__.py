"""Passkeys: WebAuthn credentials to sign in with."""
