"""Packages: fetched and unpacked for jobs, checked and built for authors."""
