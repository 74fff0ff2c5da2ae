"""Chats, messages, receipts, presence."""
