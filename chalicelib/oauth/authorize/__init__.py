"""What happens in the user's browser: a program asks, the user allows it, or signs out."""
