"""The doors marketers and approvers use, and those of the people who get the messages."""
