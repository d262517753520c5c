"""The doors other systems knock at before any other."""
