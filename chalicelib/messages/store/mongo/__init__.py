"""Chats in MongoDB."""
