-- Every action that an admin key was demanded for. The service adds and reads, and can change or take
-- away nothing: whoever holds its login cannot hide what was done.
CREATE TABLE admin_audit (
    -- Made by the service, so that an entry sent twice stands here once. Text in one order everywhere.
    entry_id text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    -- The key's scope and the first digits of its SHA-256.
    actor text NOT NULL,
    request_id text NOT NULL,
    result smallint NOT NULL
);

CREATE INDEX admin_audit_newest
ON admin_audit (at DESC, entry_id DESC);

GRANT SELECT, INSERT ON admin_audit TO amas_app;

GRANT SELECT ON admin_audit TO amas_reader;

-- Enough to count; nothing of who did what.
GRANT SELECT (at) ON admin_audit TO amas_monitor;
