"""Runs the app's Lambda functions, and calls them as AWS does."""
