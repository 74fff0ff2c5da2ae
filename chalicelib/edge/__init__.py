"""The edge: HTTP routes, socket frames and jobs, and the documents that describe them."""
