"""What a browser may send about a campaign, one form per tab of the editor."""
