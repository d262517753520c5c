"""The audience rule: a JSON tree becomes a checked tree (grammar), SQL (compile), a sentence (describe)."""
