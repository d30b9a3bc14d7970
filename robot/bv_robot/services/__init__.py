"""The robot as a service of the machine: of systemd, of launchd, or as a task of Windows."""
