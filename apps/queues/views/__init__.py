"""The canonical doors to queues, items and leases."""
