"""Makes documents from the code. None of this is packaged."""
