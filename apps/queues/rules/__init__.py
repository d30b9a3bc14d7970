"""What becomes of items. Pure: facts in, verdicts out."""
