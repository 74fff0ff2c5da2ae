"""A Chalice app for the tests of the local cloud; it knows nothing of Parley."""
