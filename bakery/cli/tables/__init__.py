"""How answers look: what a flow returned becomes the JSON document, and the document becomes text."""
