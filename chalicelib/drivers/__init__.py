"""One module for each server or protocol that Parley talks to."""
