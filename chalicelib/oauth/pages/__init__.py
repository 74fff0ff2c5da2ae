"""The HTML of the provider's pages."""
