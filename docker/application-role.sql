-- The application's role is no superuser: one could switch off what keeps the audit trail append-only.
\getenv password DATABASE_PASSWORD
CREATE ROLE bv LOGIN PASSWORD :'password';
ALTER DATABASE bv OWNER TO bv;
