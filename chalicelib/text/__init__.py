"""Text: visible characters, e-mail addresses, and sentences about invalid input."""
