"""The REST doors of channels, below /api/."""
