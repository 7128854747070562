-- What the database takes.

-- name: database_size
SELECT
    current_database() AS name,
    pg_database_size(current_database()) AS size_bytes;

-- name: table_sizes
-- A hypertable with all its chunks; rows as the last ANALYZE saw them.
SELECT
    c.relname AS name,
    h.num_chunks AS chunks,
    coalesce(d.total_bytes, pg_total_relation_size(c.oid)) AS size_bytes,
    coalesce(d.index_bytes, pg_indexes_size(c.oid)) AS index_bytes,
    greatest(approximate_row_count(c.oid::regclass), 0) AS about_rows
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN timescaledb_information.hypertables AS h
    ON n.nspname = h.hypertable_schema AND c.relname = h.hypertable_name
LEFT JOIN LATERAL hypertable_detailed_size(c.oid::regclass) AS d ON h.hypertable_name IS NOT NULL
WHERE n.nspname = 'public' AND c.relkind = 'r'
ORDER BY size_bytes DESC, name ASC;

-- name: chunk_sizes
SELECT
    c.hypertable_name AS hypertable,
    c.range_start,
    c.range_end,
    s.total_bytes AS size_bytes,
    greatest(k.reltuples, 0)::bigint AS about_rows
FROM timescaledb_information.hypertables AS h
CROSS JOIN
    LATERAL chunks_detailed_size(
        (quote_ident(h.hypertable_schema) || '.' || quote_ident(h.hypertable_name))::regclass
    ) AS s
INNER JOIN timescaledb_information.chunks AS c
    ON s.chunk_schema = c.chunk_schema AND s.chunk_name = c.chunk_name
INNER JOIN pg_class AS k
    ON k.oid = (quote_ident(c.chunk_schema) || '.' || quote_ident(c.chunk_name))::regclass
WHERE h.hypertable_schema = 'public'
ORDER BY c.range_start, c.hypertable_name;
