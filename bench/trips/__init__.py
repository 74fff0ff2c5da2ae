"""Round trips on the wire."""
