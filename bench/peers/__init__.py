"""Other servers to compare with, and the load for them."""
