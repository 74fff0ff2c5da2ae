"""Deploys a stage to AWS, and removes it."""
