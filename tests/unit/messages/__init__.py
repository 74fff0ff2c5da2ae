"""Chats and messages without I/O."""
