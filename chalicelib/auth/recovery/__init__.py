"""Mailed links: to verify an address, to change it, and to set a new password."""
