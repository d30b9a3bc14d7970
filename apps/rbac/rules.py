"""Facts about permissions."""

#: Apps whose permissions an operator may hand out.
OPERATIONAL_APPS = ("packages", "processes", "jobs", "robots", "audit", "events", "tenancy", "accounts", "rbac")
