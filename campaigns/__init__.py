"""THE STORY: from draft to report."""
