"""What happens to messages, told to other systems: endpoints → gather → post."""
