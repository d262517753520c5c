"""US: users, workspaces, roles, keys and the audit log."""
