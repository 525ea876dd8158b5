"""Renders the reference pages of docs/ from the things they describe."""
