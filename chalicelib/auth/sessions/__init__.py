"""Sessions: opened, refreshed, listed and revoked."""
