"""Shapes of the robot API. What is hot is read and written by hand: no REST framework on that path."""
