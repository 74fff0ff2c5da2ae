"""Rate limits: the table of rates, the token buckets, and the limits on guessing."""
