"""What users allowed programs to do."""
