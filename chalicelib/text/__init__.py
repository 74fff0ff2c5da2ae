"""Text: which characters show something, addresses of e-mail, sentences about bad input."""
