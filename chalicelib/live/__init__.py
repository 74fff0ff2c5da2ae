"""Live connections: sockets, events, presence, and owed acknowledgements."""
