-- Rows of every table of ours, counted through the table: a JSON object for all of them (relation null) and
-- one for each place where they lie, which for a hypertable are its chunks.
SET search_path = '';

SELECT format(
    'SELECT json_build_object(''table'', %L, ''relation'', tableoid::regclass::text, ''rows'', count(*), '
    '''newest'', max(%s)) FROM %I.%I GROUP BY GROUPING SETS ((), (tableoid))',
    format('%s.%s', n.nspname, c.relname),
    coalesce(
        (
            SELECT quote_ident(a.attname)
            FROM pg_attribute AS a
            WHERE
                a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
                AND a.atttypid = 'timestamptz'::regtype
            ORDER BY a.attnum
            LIMIT 1
        ),
        'NULL::timestamptz'
    ),
    n.nspname,
    c.relname
)
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    n.nspname = 'public' AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname
\gexec
