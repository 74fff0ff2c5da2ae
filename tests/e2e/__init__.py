"""The local cloud, through real HTTP, sockets and a browser."""
