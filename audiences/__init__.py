"""PEOPLE: who they are, and whom we may write to."""
