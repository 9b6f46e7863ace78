"""Commands that make the pictures in docs/pictures from the running system."""
