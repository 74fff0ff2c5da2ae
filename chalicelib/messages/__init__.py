"""Chats, messages and receipts."""
