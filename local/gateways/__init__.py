"""What API Gateway does: HTTP, sockets, and the management API for sockets."""
