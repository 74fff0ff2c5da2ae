"""Pushes: from the queue to FCM."""
