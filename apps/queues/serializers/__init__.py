"""Queues and items, as callers send and see them."""
