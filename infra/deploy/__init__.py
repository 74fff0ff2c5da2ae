"""Brings a stage to AWS, and takes it away again."""
