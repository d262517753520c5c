"""WIRING: settings, addresses and start-up. Imports everything, imported by nobody."""
