"""Facts about permissions."""

#: Apps whose permissions an operator may hand out.
OPERATIONAL_APPS = (
    "packages", "processes", "queues", "jobs", "triggers", "robots", "audit", "events", "tenancy", "accounts", "rbac",
    "configuration", "retention", "assets", "encryption", "console",
)  # fmt: skip
