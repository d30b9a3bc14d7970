"""Files that others bring: what they may be called, how they reach the storage, and how they leave it."""
