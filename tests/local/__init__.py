"""Tests of the local cloud, over real sockets and with real worker processes."""
