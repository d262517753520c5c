"""A CSV file becomes profiles: sniff (what is it?), stage (checked rows by COPY), merge (one statement)."""
