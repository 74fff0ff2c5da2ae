"""How a user signs in on the provider's pages."""
