"""What every page of the admin shares. Registers nothing."""
