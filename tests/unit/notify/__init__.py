"""What becomes of records of a push queue."""
