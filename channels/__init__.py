"""CARRIERS: how a rendered message leaves the house."""
