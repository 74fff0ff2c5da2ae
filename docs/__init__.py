"""The documents. `generators` makes some of them from the code."""
