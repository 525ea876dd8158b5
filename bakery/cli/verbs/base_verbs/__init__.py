"""What ``bakery base`` can do, one file per verb."""
