"""Load generators and the tables they print. Run by hand; nothing here is ever timed in a test."""
