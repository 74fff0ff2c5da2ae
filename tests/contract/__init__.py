"""Adapters on their real servers, and the fakes held to the same suites."""
