"""What this host must have: read from the targets' own lists, probed, and installed on request."""
