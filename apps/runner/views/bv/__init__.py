"""The dialect of existing BV clients: thin doors onto the same services. Nothing below knows that dialects exist."""
