"""How records of a push queue are handled."""
