"""What enters and leaves: HTTP routes, socket frames, jobs, and the documents about them."""
