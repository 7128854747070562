"""Whether the database keeps up, and for how long there is room."""

from dashboards.board import Board, Panel, Query, Row, Unit, all_wanted, fact, falling, none_wanted, rising
from dashboards.words import WINDOW, per_second, ratio

_BACKENDS = 'sum(pg_stat_activity_count{job="db"})'
_MOST = 'max(pg_settings_max_connections{job="db"})'
_BLOCKS_HIT = per_second('pg_stat_database_blks_hit{job="db", datname!=""}')
_BLOCKS_READ = per_second('pg_stat_database_blks_read{job="db", datname!=""}')
_ROWS = {
    "inserted": "pg_stat_database_tup_inserted",
    "updated": "pg_stat_database_tup_updated",
    "deleted": "pg_stat_database_tup_deleted",
    "fetched": "pg_stat_database_tup_fetched",
}

BOARD = Board(
    "amas-database",
    "AMAS: database",
    "PostgreSQL with TimescaleDB, its connections and its disk; the two Redis beside it.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Database",
                    "1 while the exporter's own session works.",
                    Unit.COUNT,
                    'min(pg_up{job="db"})',
                    all_wanted(),
                ),
                fact(
                    "Queue and cache",
                    "How many of the two Redis answer.",
                    Unit.COUNT,
                    'sum(redis_up{job=~"cache|queue"})',
                    all_wanted(2),
                ),
                fact(
                    "Connections",
                    "Of those the database allows.",
                    Unit.RATIO,
                    f"{_BACKENDS} / {_MOST}",
                    rising(0.7, 0.9),
                ),
                fact(
                    "Awaited connections",
                    "Reads that wait for a connection of their replica's pool.",
                    Unit.COUNT,
                    'sum(amas_db_pool_connections{job="api", state="awaited"})',
                    none_wanted(),
                ),
                fact(
                    "Blocks found in memory",
                    "Of all the database asked for.",
                    Unit.RATIO,
                    ratio(_BLOCKS_HIT, f"{_BLOCKS_HIT} + {_BLOCKS_READ}"),
                    falling(0.9, 0.95),
                ),
                fact(
                    "Deadlocks",
                    "Of the last hour.",
                    Unit.COUNT,
                    'sum(increase(pg_stat_database_deadlocks{job="db"}[1h]))',
                    none_wanted(),
                ),
            ],
        ),
        Row(
            "Work",
            [
                Panel(
                    "Transactions",
                    "Ended well, and rolled back.",
                    Unit.OPERATIONS_PER_SECOND,
                    [
                        Query(per_second('pg_stat_database_xact_commit{job="db"}'), "committed"),
                        Query(per_second('pg_stat_database_xact_rollback{job="db"}'), "rolled back"),
                    ],
                ),
                Panel(
                    "Rows",
                    "Of all databases.",
                    Unit.ROWS_PER_SECOND,
                    [Query(per_second(f'{name}{{job="db"}}'), word) for word, name in _ROWS.items()],
                ),
                Panel(
                    "Sessions",
                    "By what they do.",
                    Unit.COUNT,
                    [Query('sum by (state) (pg_stat_activity_count{job="db"}) > 0', "{{state}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Pools of the replicas",
                    "Connections for reads: open, free, awaited.",
                    Unit.COUNT,
                    [Query('sum by (state) (amas_db_pool_connections{job="api"})', "{{state}}")],
                ),
                Panel(
                    "Locks",
                    "Held or awaited, by mode.",
                    Unit.COUNT,
                    [Query('sum by (mode) (pg_locks_count{job="db"}) > 0', "{{mode}}")],
                ),
                Panel(
                    "Temporary files",
                    "Written by statements that need more memory than they may take.",
                    Unit.BYTES_PER_SECOND,
                    [Query(per_second('pg_stat_database_temp_bytes{job="db"}'), "written")],
                ),
            ],
        ),
        Row(
            "Room",
            [
                Panel(
                    "Databases",
                    "What each takes on disk.",
                    Unit.BYTES,
                    [Query('max by (datname) (pg_database_size_bytes{job="db"})', "{{datname}}")],
                ),
                Panel(
                    "WAL kept for the backup",
                    "By its replication slot.",
                    Unit.BYTES,
                    [Query('max(amas_wal_slot_retained_bytes{job="api"})', "kept")],
                ),
                Panel(
                    "Disks of the host",
                    "The share of the time in which they are busy.",
                    Unit.RATIO,
                    [
                        Query(
                            f'rate(node_disk_io_time_seconds_total{{job="host"}}[{WINDOW}]) > 0',
                            "{{device}}",
                        )
                    ],
                ),
            ],
        ),
        Row(
            "Redis",
            [
                Panel(
                    "Memory",
                    "In use, beside what they may take; the queue never evicts.",
                    Unit.BYTES,
                    [
                        Query('redis_memory_used_bytes{job=~"cache|queue"}', "{{job}}: used"),
                        Query('redis_memory_max_bytes{job=~"cache|queue"}', "{{job}}: limit"),
                    ],
                ),
                Panel(
                    "Commands",
                    "Of each instance.",
                    Unit.OPERATIONS_PER_SECOND,
                    [
                        Query(
                            per_second('redis_commands_processed_total{job=~"cache|queue"}', "job"),
                            "{{job}}",
                        )
                    ],
                ),
                Panel(
                    "Evicted keys",
                    "The cache may evict; the queue must not.",
                    Unit.OPERATIONS_PER_SECOND,
                    [
                        Query(
                            per_second('redis_evicted_keys_total{job=~"cache|queue"}', "job"),
                            "{{job}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)
