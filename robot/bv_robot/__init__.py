"""bv-robot: takes jobs from an orchestrator, runs their packages, and reports."""

__version__ = "1.0.0"
