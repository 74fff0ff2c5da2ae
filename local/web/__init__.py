"""Builds and serves the web client and the documents."""
