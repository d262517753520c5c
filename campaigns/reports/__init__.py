"""What is told of a run: numbers that balance, each with its definition."""
