"""How secrets are sealed, and by whose keys. Nothing here knows the database."""
