"""Text and files to nouns. Every mistake is a sentence with file, line and next step; all come at once."""
