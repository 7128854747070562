"""Whether decisions are stored, and found again."""

from dashboards import words
from dashboards.board import Board, Panel, Query, Row, Unit, fact, falling, none_wanted, rising
from dashboards.words import per_second, quantile

_READS = 'amas_http_request_duration_seconds_bucket{job="api", route=~"insight|insights"}'

BOARD = Board(
    "amas-insights",
    "AMAS: insights",
    "The way of a decision: taken, stored or spooled, read from the cache or the database.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Stored",
                    "Decisions a second that are in the database.",
                    Unit.ROWS_PER_SECOND,
                    per_second('amas_decisions_total{job="api", result="stored"}'),
                ),
                fact(
                    "P99 of a write",
                    "From taking a decision to its answer after the COMMIT.",
                    Unit.SECONDS,
                    quantile(0.99, words.WRITES),
                    rising(0.5, 1),
                ),
                fact(
                    "Refused",
                    "Decisions a second that were not taken, for any reason.",
                    Unit.ROWS_PER_SECOND,
                    per_second('amas_decisions_refused_total{job="api"}'),
                ),
                fact(
                    "Spool",
                    "Decisions that wait on disk for the database.",
                    Unit.COUNT,
                    'max(amas_spool_length{job="api"})',
                    none_wanted(),
                ),
                fact(
                    "Dead letters",
                    "Of the last day: refused by the database, kept apart, to be replayed or purged.",
                    Unit.COUNT,
                    'sum(increase(amas_dead_letters_total{job="api"}[1d]))',
                    none_wanted(),
                ),
                fact(
                    "Cache hit rate",
                    "Of insights asked for by id. Objective: above 80 %, alert below 70 %.",
                    Unit.RATIO,
                    words.HIT_RATE,
                    falling(words.HITS_ALERT, words.HITS_TARGET),
                ),
            ],
        ),
        Row(
            "Writes",
            [
                Panel(
                    "Decisions",
                    "By what became of them.",
                    Unit.ROWS_PER_SECOND,
                    [Query(per_second('amas_decisions_total{job="api"}', "result"), "{{result}}")],
                ),
                Panel(
                    "Duration of a write",
                    "From taking a decision to its answer after the COMMIT.",
                    Unit.SECONDS,
                    [
                        Query(quantile(0.5, words.WRITES), "P50"),
                        Query(quantile(0.95, words.WRITES), "P95"),
                        Query(quantile(0.99, words.WRITES), "P99"),
                    ],
                    rising(0.5, 1),
                ),
                Panel(
                    "Queue",
                    "Decisions taken and not yet answered, by replica.",
                    Unit.COUNT,
                    [Query('amas_queue_size{job="api", type="decision"}', "{{instance}}")],
                ),
                Panel(
                    "Refused",
                    "Decisions that were not taken, by reason.",
                    Unit.ROWS_PER_SECOND,
                    [Query(per_second('amas_decisions_refused_total{job="api"}', "reason"), "{{reason}}")],
                ),
                Panel(
                    "Batches tried again",
                    "After the database failed or refused.",
                    Unit.OPERATIONS_PER_SECOND,
                    [Query(per_second('amas_write_retries_total{job="api"}'), "retries")],
                ),
                Panel(
                    "Dead letters",
                    "Buried, and stored after all.",
                    Unit.ROWS_PER_SECOND,
                    [
                        Query(per_second('amas_dead_letters_total{job="api"}'), "buried"),
                        Query(per_second('amas_dead_letters_replayed_total{job="api"}'), "replayed"),
                    ],
                ),
            ],
        ),
        Row(
            "Spool",
            [
                Panel(
                    "Spool",
                    "Decisions that wait on disk for the database.",
                    Unit.COUNT,
                    [Query('max(amas_spool_length{job="api"})', "spooled")],
                ),
                Panel(
                    "Drain",
                    "From the spool into the database, or into the dead letters.",
                    Unit.ROWS_PER_SECOND,
                    [
                        Query(per_second('amas_spool_drained_total{job="api"}'), "stored"),
                        Query(per_second('amas_spool_buried_total{job="api"}', "cause"), "buried: {{cause}}"),
                    ],
                ),
                Panel(
                    "Trouble",
                    "Attempts to spool and batches of the drain that failed.",
                    Unit.OPERATIONS_PER_SECOND,
                    [
                        Query(per_second('amas_spool_errors_total{job="api"}'), "spool"),
                        Query(per_second('amas_spool_drain_errors_total{job="api"}'), "drain"),
                    ],
                ),
            ],
        ),
        Row(
            "Reads",
            [
                Panel(
                    "Cache",
                    "Insights asked for by id: in the cache, or not.",
                    Unit.REQUESTS_PER_SECOND,
                    [
                        Query(per_second(words.HITS), "hit"),
                        Query(per_second(words.MISSES), "miss"),
                        Query(per_second('amas_cache_errors_total{job="api"}'), "failed"),
                    ],
                    is_stacked=True,
                ),
                Panel(
                    "Duration of a read",
                    "P95 by route: one insight, or a page of them.",
                    Unit.SECONDS,
                    [Query(quantile(0.95, _READS, "route"), "{{route}}")],
                ),
                Panel(
                    "Memory of the cache",
                    "In use; beyond its limit the least used keys go.",
                    Unit.BYTES,
                    [
                        Query('redis_memory_used_bytes{job="cache"}', "used"),
                        Query('redis_memory_max_bytes{job="cache"}', "limit"),
                    ],
                ),
            ],
        ),
        Row(
            "Retention",
            [
                Panel(
                    "Oldest chunk",
                    "Since the end of the oldest day that is kept.",
                    Unit.SECONDS,
                    [Query('max(amas_oldest_chunk_age_seconds{job="api"})', "age")],
                    width=12,
                ),
                Panel(
                    "Last run",
                    "Since the retention ran to its end.",
                    Unit.SECONDS,
                    [
                        Query(
                            'time() - max(amas_retention_last_success_timestamp_seconds{job="api"})',
                            "age",
                        )
                    ],
                    width=12,
                ),
            ],
        ),
    ],
)
