-- name: add_audit_entry
-- Sent again when nobody knows whether the first one was committed.
INSERT INTO admin_audit (entry_id, at, action, target, actor, request_id, result)
VALUES (%(entry_id)s, %(at)s, %(action)s, %(target)s, %(by)s, %(request_id)s, %(result)s)
ON CONFLICT (entry_id) DO NOTHING;

-- name: audit_entries
SELECT
    a.entry_id,
    a.at,
    a.action,
    a.target,
    a.actor,
    a.request_id,
    a.result
FROM admin_audit AS a
WHERE (a.at, a.entry_id) < (%(before)s, %(before_id)s)
ORDER BY a.at DESC, a.entry_id DESC
LIMIT %(most)s;
