"""Chats, members, messages and their changes: in services, in stores, and for clients."""
