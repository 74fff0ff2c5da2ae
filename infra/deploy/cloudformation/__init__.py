"""Stacks and their templates."""
