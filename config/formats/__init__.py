"""Where Django's own formats of a language are not what its readers expect.

Django looks here first (FORMAT_MODULE_PATH), then in its own table, then in the settings.
"""
