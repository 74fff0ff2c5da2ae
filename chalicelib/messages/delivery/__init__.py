"""Delivery of stored messages: to sockets, to push queues, and to other services as events."""
