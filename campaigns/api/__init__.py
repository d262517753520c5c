"""The REST doors, wire-compatible with the reference product's paths under /ajo."""
