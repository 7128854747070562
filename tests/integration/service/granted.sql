-- Every right on what is ours, but for the owner's own: on what, who, and which.
WITH ours (oid) AS (
    SELECT n.oid FROM pg_namespace AS n
    WHERE n.nspname = 'public'
),

members (oid) AS (
    SELECT d.objid FROM pg_depend AS d
    WHERE d.deptype = 'e'
),

relations AS (
    SELECT c.* FROM pg_class AS c
    WHERE c.relnamespace IN (SELECT o.oid FROM ours AS o) AND c.oid NOT IN (SELECT m.oid FROM members AS m)
),

rights (object, acl, kept_by) AS (
    SELECT
        r.relname::text,
        r.relacl,
        r.relowner
    FROM relations AS r
    UNION ALL
    SELECT
        r.relname || '.' || a.attname,
        a.attacl,
        r.relowner
    FROM pg_attribute AS a
    INNER JOIN relations AS r ON a.attrelid = r.oid
    UNION ALL
    SELECT
        p.oid::regprocedure::text,
        coalesce(p.proacl, acldefault('f', p.proowner)),
        p.proowner
    FROM pg_proc AS p
    WHERE p.pronamespace IN (SELECT o.oid FROM ours AS o) AND p.oid NOT IN (SELECT m.oid FROM members AS m)
    UNION ALL
    SELECT
        'schema ' || n.nspname,
        n.nspacl,
        n.nspowner
    FROM pg_namespace AS n
    WHERE n.oid IN (SELECT o.oid FROM ours AS o)
    UNION ALL
    SELECT
        'database',
        d.datacl,
        d.datdba
    FROM pg_database AS d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT
        'default rights',
        a.defaclacl,
        a.defaclrole
    FROM pg_default_acl AS a
)

SELECT
    r.object,
    coalesce(g.rolname, 'public') AS holder,
    string_agg(
        x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', '
        ORDER BY x.privilege_type
    ) AS privileges
FROM rights AS r
CROSS JOIN LATERAL aclexplode(r.acl) AS x
LEFT JOIN pg_roles AS g ON x.grantee = g.oid
WHERE x.grantee <> r.kept_by
GROUP BY holder, r.object
ORDER BY holder, r.object;
