"""What programs ask for themselves: tokens for codes, refresh tokens and secrets."""
