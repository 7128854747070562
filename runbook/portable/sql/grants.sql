-- Whoever may come into one database may come into the other. Variables: database, other.
SELECT format('GRANT %s ON DATABASE %I TO %I', a.privilege_type, :'other', a.grantee::regrole)
FROM pg_database AS d
CROSS JOIN aclexplode(d.datacl) AS a
WHERE d.datname = :'database' AND a.grantee <> 0
\gexec
