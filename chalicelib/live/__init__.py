"""Who is connected now: sockets, the events that they get, presence, and owed acknowledgements."""
