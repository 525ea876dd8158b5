"""Effects in order: one file per lifecycle verb, each reading as the process it is."""
