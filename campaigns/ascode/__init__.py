"""Campaigns as code: a campaign and what it refers to as one YAML document, written and read."""
