"""The canonical doors to triggers and calendars."""
