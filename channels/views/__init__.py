"""The doors of channels: pages of configurations and of sending domains."""
