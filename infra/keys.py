"""Every configuration key: type, default, what is allowed and why it exists.

`Pulumi.yaml` and the README's table are written from this list (`python -m infra.document`).
"""

import re
from dataclasses import dataclass
from typing import Literal

Value = int | str | bool


@dataclass(frozen=True)
class Between:
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"

    def admits(self, value: Value) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@dataclass(frozen=True)
class OneOf:
    choices: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(self.choices)

    def admits(self, value: Value) -> bool:
        return value in self.choices


@dataclass(frozen=True)
class Matching:
    pattern: str
    words: str

    def __str__(self) -> str:
        return self.words

    def admits(self, value: Value) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True)
class Key:
    """One key of the `amas` namespace; `setting` names the service's environment variable it feeds."""

    name: str
    type: Literal["integer", "string", "boolean"]
    default: Value
    allowed: Between | OneOf | Matching | None
    reason: str
    setting: str | None = None


_OCTET = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
LOOPBACK = Matching(rf"127(\.{_OCTET}){{3}}|::1", "a loopback address (127.x.x.x or ::1)")
_CRON_FIELD = r"[0-9*/,A-Za-z-]+"
ROLES = "rotation|l1|l2|l3|database|infrastructure|databaseProvider|cloudProvider"
# A person's name and how to reach them; each role once.
CONTACTS = Matching(
    rf"(?!.*\b(?P<role>{ROLES})=.*; *(?P=role)=)"
    rf"( *({ROLES})=[^;=\x00-\x1f\x7f]{{1,200}}(;(?= *[a-z])|;? *$))*",
    f"ROLE=WHO; ROLE=WHO with {ROLES.replace('|', ', ')}",
)
# In the address it would stand in the container's environment: offsiteCredentials is for those.
_NO_LOGIN = r"(?!.*//[^/@]*:[^/@]*@)"
OFFSITE = Matching(
    rf"|{_NO_LOGIN}(s3|sftp|rest):[!-~]+",
    "empty, or an address of restic (s3:, sftp:, rest:) with no password in it",
)
KNOWN_HOSTS = Matching(r"[\n -~]*", "empty, or lines as `ssh-keyscan HOST` prints them")
CRON = Matching(rf"{_CRON_FIELD}( {_CRON_FIELD}){{4}}", "five cron fields")
_MEMORY = "Memory limit in MiB, swap included; beyond it the kernel ends the process and Docker restarts it"

KEYS: tuple[Key, ...] = (
    Key("httpPort", "integer", 3000, Between(1, 65535), "Port of the load balancer, the only way in"),
    Key("prometheusPort", "integer", 9090, Between(1, 65535), "Port of Prometheus"),
    Key(
        "bindAddress",
        "string",
        "127.0.0.1",
        LOOPBACK,
        "Address the ports are published on; traffic is plain HTTP, so nothing beyond this host",
    ),
    Key(
        "replicas",
        "integer",
        2,
        Between(1, 8),
        "Copies of the service; two survive the loss of one, fewer than this raise an alert",
        "REPLICAS_EXPECTED",
    ),
    Key(
        "maxReplicas",
        "integer",
        8,
        Between(2, 16),
        "Places the load balancer keeps, rolls included",
    ),
    Key(
        "databaseName",
        "string",
        "danci",
        Matching(
            r"(?!(postgres|template[01])$)[a-z_][a-z0-9_]{0,62}",
            "a lower-case PostgreSQL name of up to 63 characters, not postgres or template0/1",
        ),
        "Database of the decision insights; fixed once the data volume exists",
    ),
    Key("dbMaxConnections", "integer", 200, Between(20, 1000), "max_connections; each costs memory"),
    Key("dbMemoryMb", "integer", 1024, Between(512, 262144), _MEMORY + "; a quarter becomes shared_buffers"),
    Key("cacheMemoryMb", "integer", 256, Between(64, 65536), _MEMORY + "; three quarters hold keys"),
    Key(
        "queueMemoryMb",
        "integer",
        512,
        Between(128, 65536),
        _MEMORY + "; two fifths hold the spool, since rewriting the AOF doubles it",
    ),
    Key("apiMemoryMb", "integer", 512, Between(192, 16384), _MEMORY),
    Key("lbMemoryMb", "integer", 256, Between(96, 8192), _MEMORY),
    Key("prometheusMemoryMb", "integer", 512, Between(256, 65536), _MEMORY),
    Key("exporterMemoryMb", "integer", 96, Between(48, 4096), _MEMORY + "; for each exporter"),
    Key("backupMemoryMb", "integer", 768, Between(384, 65536), _MEMORY + "; restores run in it"),
    Key("schedulerMemoryMb", "integer", 256, Between(96, 8192), _MEMORY),
    Key("prometheusRetentionDays", "integer", 15, Between(1, 3650), "How long Prometheus keeps samples"),
    Key("prometheusRetentionMb", "integer", 1024, Between(128, 1048576), "Disk at which it drops the oldest"),
    Key("logMaxSizeMb", "integer", 10, Between(1, 1024), "Size at which a container's log file is rotated"),
    Key("logMaxFiles", "integer", 3, Between(1, 100), "Rotated log files kept per container"),
    Key("healthSchedule", "string", "0 */4 * * *", CRON, "When `amas health` runs by itself (UTC)"),
    Key("dbGrowthSchedule", "string", "30 6 * * 1", CRON, "When `amas db growth` runs by itself (UTC)"),
    Key(
        "retentionSchedule",
        "string",
        "30 3 * * *",
        CRON,
        "When `amas retention simulate` looks by itself what the retention leaves (UTC)",
    ),
    Key(
        "thresholdReviewSchedule",
        "string",
        "0 6 1 * *",
        CRON,
        "When `amas audit thresholds` runs by itself (UTC)",
    ),
    Key("auditSchedule", "string", "30 7 1 */3 *", CRON, "When `amas audit` runs by itself (UTC)"),
    Key(
        "backups",
        "boolean",
        True,
        None,
        "Keep backups: stream the WAL, take full copies, prove each day that they can be restored",
    ),
    Key(
        "walDurability",
        "string",
        "sync",
        OneOf(("sync", "async")),
        "sync: a decision is acknowledged when the backup has it too; async: when the database has it. "
        "Without backups always async",
        "WAL_DURABILITY",
    ),
    Key(
        "walDegradeAfterS",
        "integer",
        10,
        Between(2, 3600),
        "Seconds commits wait for a backup that does not answer; then they go on without it, with an alert",
    ),
    Key("backupSchedule", "string", "15 1 * * *", CRON, "When a copy of the database is taken (UTC)"),
    Key("proofSchedule", "string", "45 2 * * *", CRON, "When the newest one is restored for proof (UTC)"),
    Key(
        "offsiteSchedule", "string", "30 4 * * *", CRON, "When the copy off site is brought up to date (UTC)"
    ),
    Key("offsiteProofSchedule", "string", "30 5 * * 0", CRON, "When that copy is restored for proof (UTC)"),
    Key(
        "backupRetention",
        "string",
        "RECOVERY WINDOW OF 14 DAYS",
        Matching(
            r"RECOVERY WINDOW OF [1-9]\d{0,3} (DAYS|WEEKS|MONTHS)|REDUNDANCY [1-9]\d{0,2}",
            "RECOVERY WINDOW OF n DAYS, WEEKS or MONTHS, or REDUNDANCY n",
        ),
        "How far back the database can be restored",
    ),
    Key(
        "offsiteRepository",
        "string",
        "",
        OFFSITE,
        "Where the encrypted copy goes; empty: a volume of this host",
    ),
    Key(
        "offsiteKnownHosts",
        "string",
        "",
        KNOWN_HOSTS,
        "Key of the host that an sftp: address names; no other is believed",
    ),
    Key(
        "dbConnectionPoolSize",
        "integer",
        20,
        Between(6, 200),
        "Connections a replica may open, all but five for reads; a roll doubles the replicas for a moment",
        "DB_CONNECTION_POOL_SIZE",
    ),
    Key(
        "dbStatementTimeout",
        "integer",
        5000,
        Between(100, 600000),
        "Milliseconds after which PostgreSQL ends a statement of the service",
        "DB_STATEMENT_TIMEOUT",
    ),
    Key(
        "cacheTtlAmasState",
        "integer",
        300,
        Between(1, 86400),
        "Seconds a decision insight stays cached",
        "CACHE_TTL_AMAS_STATE",
    ),
    Key(
        "cacheTtlAmasMetrics",
        "integer",
        60,
        Between(1, 3600),
        "Seconds the SLO table and the hourly rate stay cached",
        "CACHE_TTL_AMAS_METRICS",
    ),
    Key(
        "cacheTtlUserState",
        "integer",
        1800,
        Between(1, 86400),
        "Seconds the first page of a user's decisions stays cached; a new decision ends it at once",
        "CACHE_TTL_USER_STATE",
    ),
    Key(
        "insightsRetentionDays",
        "integer",
        90,
        Between(1, 3650),
        "Days a decision is kept; older ones are refused",
        "INSIGHTS_RETENTION_DAYS",
    ),
    Key(
        "writeQueueRows",
        "integer",
        5000,
        Between(1, 100000),
        "Traces that may wait for the next commit; beyond it they are spooled",
        "WRITE_QUEUE_ROWS",
    ),
    Key("writeBatchRows", "integer", 500, Between(1, 5000), "Most rows in one commit", "WRITE_BATCH_ROWS"),
    Key(
        "readsNeedKey",
        "boolean",
        False,
        None,
        "Ask for a key on reads and metrics too; writes always need one",
        "READS_NEED_KEY",
    ),
    Key(
        "disableInsightWrites",
        "boolean",
        False,
        None,
        "Emergency switch: every trace is counted and refused with 503",
        "DISABLE_INSIGHT_WRITES",
    ),
    Key(
        "disableMetricsCollection",
        "boolean",
        False,
        None,
        "Emergency switch: nothing is counted, and no snapshot taken",
        "DISABLE_METRICS_COLLECTION",
    ),
    Key(
        "metricsCollectionInterval",
        "integer",
        30000,
        Between(500, 300000),
        "Milliseconds between two snapshots of a replica",
        "METRICS_COLLECTION_INTERVAL",
    ),
    Key(
        "alertEvaluationInterval",
        "integer",
        5000,
        Between(100, 300000),
        "Milliseconds between two evaluations of the alert rules",
        "ALERT_EVALUATION_INTERVAL",
    ),
    Key(
        "alertWebhookFormat",
        "string",
        "auto",
        OneOf(("auto", "slack", "teams", "generic")),
        "What notifications look like; auto goes by the address",
        "ALERT_WEBHOOK_FORMAT",
    ),
    Key(
        "alertWebhookMaxPerMinute",
        "integer",
        12,
        Between(1, 600),
        "Most notifications a minute to one receiver; the rest are folded into a digest",
        "ALERT_WEBHOOK_MAX_PER_MINUTE",
    ),
    Key(
        "alertWebhookAllowedHosts",
        "string",
        "",
        Matching(r"([A-Za-z0-9._-]+(:\d{1,5})?(, *(?=.)|$))*", "hosts, each NAME or NAME:PORT, with commas"),
        "Receivers that may be private or plain HTTP; any other has to be public and HTTPS",
        "ALERT_WEBHOOK_ALLOWED_HOSTS",
    ),
    Key(
        "alertRulesFile",
        "string",
        "",
        None,
        "Alert rules of your own in place of the packaged ones: a path from the project's folder",
    ),
    Key(
        "contacts",
        "string",
        "",
        CONTACTS,
        "Who is called at which level of escalation, and for what",
        "ALERT_CONTACTS",
    ),
    Key(
        "environment",
        "string",
        "development",
        OneOf(("development", "staging", "production")),
        "What this stack is; load tests ask, and spare production",
        "ENVIRONMENT",
    ),
    Key(
        "logLevel",
        "string",
        "info",
        OneOf(("debug", "info", "warning", "error")),
        "Least severe log line the service writes",
        "LOG_LEVEL",
    ),
)

REQUIRED_SECRETS: tuple[tuple[str, str], ...] = (
    ("dbOwnerPassword", "Password of amas_owner: migrations and operators"),
    ("dbAppPassword", "Password of the service's database login, a member of amas_app named by it"),
    ("dbReaderPassword", "Password of amas_reader: reports"),
    ("dbMonitorPassword", "Password of amas_monitor: the exporter"),
    ("dbBackupPassword", "Password of amas_backup: the WAL receiver and base backups"),
    ("resticPassword", "Opens the copy off site, and nothing else does: `amas keys escrow` prints it"),
    ("dbJobsPassword", "Password of amas_jobs: scheduled jobs and their records"),
    ("cachePassword", "Password of the cache Redis"),
    ("queuePassword", "Password of the queue Redis"),
    ("keyIngest", "API key that may post decisions"),
    ("keyRead", "API key that may read"),
    ("keyMetrics", "API key that may read metrics"),
    ("keyAdmin", "API key that may do everything"),
)

# Where alerts go. Addresses of webhooks carry their own key, so they are secrets. Unset means none.
RECEIVERS: tuple[tuple[str, str], ...] = (
    ("alertWebhookUrl", "address that alerts are sent to; unset: alerts are shown and not sent"),
    ("alertWebhookUrlL2", "address of the second level of escalation"),
    ("alertWebhookUrlL3", "address of the third level of escalation"),
    ("alertWebhookSecret", "signs notifications in the generic format"),
    ("heartbeatUrl", "asked every minute while the monitor lives"),
)

# Unset where the place off site asks for none.
OFFSITE_SECRETS: tuple[tuple[str, str], ...] = (
    (
        "offsiteCredentials",
        "lines of NAME=VALUE: AWS_* for s3:, RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD for rest:",
    ),
    ("offsiteSshKey", "private key without a passphrase, for sftp:"),
)

# While one is set, two keys of the scope are valid: clients move to the new one before the old one ends.
OPTIONAL_SECRETS: tuple[tuple[str, str], ...] = (
    ("keyIngestPrevious", "the ingest key of before, still accepted"),
    ("keyReadPrevious", "the read key of before, still accepted"),
    ("keyMetricsPrevious", "the metrics key of before, still accepted"),
    ("keyAdminPrevious", "the admin key of before, still accepted"),
)

SECRETS = (*REQUIRED_SECRETS, *OPTIONAL_SECRETS, *RECEIVERS, *OFFSITE_SECRETS)
