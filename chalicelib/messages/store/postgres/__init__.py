"""Chats in PostgreSQL."""
