"""Scripts of the house; nothing here is installed."""
