"""From an audience to a provider: clock, fanout, claims, send, completion, recovery; ring is the doorbell."""
