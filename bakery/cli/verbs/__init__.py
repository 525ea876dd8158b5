"""One file per verb; each holds one click command named ``command`` and is imported when the verb is used."""
