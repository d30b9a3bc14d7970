"""Runs the roles of one machine as processes of their own, and leaves none behind."""
