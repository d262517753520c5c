"""TOOLS that know nothing of campaigns or people: no models, no templates."""
