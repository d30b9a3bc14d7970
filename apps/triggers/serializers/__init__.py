"""Triggers and calendars, as callers send and see them."""
