"""Whether everything could be brought back, and from when."""

from dashboards.board import Board, Panel, Query, Row, Unit, all_wanted, fact, none_wanted, rising

_OUTCOMES = 'amas_job_last_outcome{job="api", exported_job=~"backup|proof|offsite|offsite-proof"}'
_HOUR_S, _DAY_S = 3_600, 86_400


def _age(job: str) -> str:
    return f'time() - max(amas_job_last_success_timestamp_seconds{{job="api", exported_job="{job}"}})'


BOARD = Board(
    "amas-backup",
    "AMAS: backup",
    "The way of the WAL to the backup, the copies, their proofs, and the jobs that make them.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Since a good backup",
                    "A copy is taken daily by default.",
                    Unit.SECONDS,
                    _age("backup"),
                    rising(26 * _HOUR_S, 50 * _HOUR_S),
                ),
                fact(
                    "Since a good proof",
                    "The newest copy was restored and compared with what the live database said.",
                    Unit.SECONDS,
                    _age("proof"),
                    rising(26 * _HOUR_S, 50 * _HOUR_S),
                ),
                fact(
                    "Jobs that failed",
                    "Whose last run did not end well.",
                    Unit.COUNT,
                    f"count(max by (exported_job) ({_OUTCOMES}) == 0) or vector(0)",
                    none_wanted(),
                ),
                fact(
                    "Without the backup",
                    "1 while commits should wait for the backup and do not.",
                    Unit.COUNT,
                    'max(amas_wal_sync_degraded{job="api"})',
                    none_wanted(),
                ),
                fact(
                    "WAL lost",
                    "1 when the database dropped WAL that the backup lacks.",
                    Unit.COUNT,
                    'max(amas_wal_slot_lost{job="api"})',
                    none_wanted(),
                ),
                fact(
                    "Runner",
                    "1 while the backup's own schedule can be reached.",
                    Unit.COUNT,
                    'min(up{job="backup"})',
                    all_wanted(),
                ),
            ],
        ),
        Row(
            "WAL",
            [
                Panel(
                    "Receiver last heard",
                    "Since the backup's receiver last answered the database.",
                    Unit.SECONDS,
                    [Query('max(amas_wal_receiver_age_seconds{job="api"})', "age")],
                    rising(10, 60),
                ),
                Panel(
                    "Behind",
                    "WAL that the backup does not have yet.",
                    Unit.BYTES,
                    [Query('max(amas_wal_receiver_lag_bytes{job="api"})', "lag")],
                ),
                Panel(
                    "Slot",
                    "WAL that is kept for the backup, of what may be kept.",
                    Unit.PERCENT,
                    [Query('max(amas_wal_slot_fill_percent{job="api"})', "fill")],
                    rising(50, 80),
                ),
            ],
        ),
        Row(
            "Jobs",
            [
                Panel(
                    "Since the last success",
                    "Of each job that ran; `amas schedule` tells when the next one is.",
                    Unit.SECONDS,
                    [
                        Query(
                            "time() - max by (exported_job) "
                            '(amas_job_last_success_timestamp_seconds{job="api"})',
                            "{{exported_job}}",
                        )
                    ],
                ),
                Panel(
                    "Late",
                    "Since a success was due.",
                    Unit.SECONDS,
                    [
                        Query(
                            'max by (exported_job) (amas_job_late_seconds{job="api"})',
                            "{{exported_job}}",
                        )
                    ],
                    none_wanted(),
                ),
                Panel(
                    "Last outcome",
                    "1 where the last run ended well.",
                    Unit.COUNT,
                    [
                        Query(
                            'min by (exported_job) (amas_job_last_outcome{job="api"})',
                            "{{exported_job}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)
