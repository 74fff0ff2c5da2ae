"""Parley: everything that is packaged and runs in Lambda."""
