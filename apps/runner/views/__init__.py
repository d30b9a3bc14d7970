"""The robot-facing doors. They are plain Django views: these calls are the hot ones."""
