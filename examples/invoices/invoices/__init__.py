"""Adding up invoices."""
