"""Mail: what is to be sent, and how it leaves."""
