"""3.2: alerts do not reach their receiver. Nothing is lost meanwhile: they wait in the outbox."""

from runbook.triage.cause import Cause, Topic, When

SET_ADDRESS = "pulumi config set --secret amas:alertWebhookUrl"
TEST = "amas triage webhooks --test"

WEBHOOKS = Topic(
    "webhooks",
    "3.2",
    symptoms=(
        When("notifier.failing", ">", 0),
        When("notifier.age_s", ">", 300),
        When("log.webhook_failed", ">", 0),
        When("test.failed", ">", 0),
    ),
    causes=(
        Cause(
            "no receiver",
            "No address is configured: alerts are shown and recorded, nobody is told.",
            (When("receivers.configured", "<", 1),),
            (f"{SET_ADDRESS} (asks for it)", "./scripts/up", TEST),
        ),
        Cause(
            "notifications switched off",
            "The emergency switch is on: alerts wait until it is off.",
            (When("switch.disable-notifications", ">", 0),),
            ("amas switch set disable-notifications off --reason 'receivers are wanted again'",),
            beside=("notifier.age_s",),
        ),
        Cause(
            "address wrong or revoked",
            "The receiver answers 401, 403, 404 or 410: it does not know this address.",
            (When("webhook.unknown", ">", 0),),
            (f"{SET_ADDRESS} (asks for it)", "./scripts/up", TEST),
            beside=("log.webhook_failed",),
        ),
        Cause(
            "address not allowed",
            "It is neither public HTTPS nor named as allowed, so nothing is sent there.",
            (When("webhook.not_allowed", ">", 0),),
            ("amas up --config alertWebhookAllowedHosts=HOST:PORT", TEST),
        ),
        Cause(
            "receiver limits us",
            "It answers 429. Fewer messages a minute, and a longer cooldown of noisy rules.",
            (When("webhook.limited", ">", 0),),
            ("amas up --config alertWebhookMaxPerMinute={fewer}", "amas audit list"),
            beside=("alerts.per_minute",),
        ),
        Cause(
            "payload refused",
            "The receiver answers 400, 413 or 422: it wants another form.",
            (When("webhook.refused", ">", 0),),
            ("amas up --config alertWebhookFormat=slack", TEST),
        ),
        Cause(
            "receiver unreachable",
            "Its name has no address, or nothing answers there: DNS, proxy or firewall.",
            (When("webhook.unreachable", ">", 0),),
            ("amas logs api --level warning --since 1h", TEST),
            beside=("log.webhook_failed",),
        ),
        Cause(
            "receiver fails",
            "It answers 5xx. Messages are kept and tried again; look at its status page.",
            (When("webhook.failing", ">", 0),),
            (TEST,),
            beside=("notifier.age_s",),
        ),
        Cause(
            "more alerts than messages",
            "More alerts begin in a minute than may be told; the rest are folded into digests.",
            (When("alerts.per_minute", ">", 50),),
            ("amas storm",),
        ),
        Cause(
            "silenced",
            "Firing alerts fit a silence: they are recorded and not told.",
            (When("alerts.silenced", ">", 0),),
            ("amas silence list", "amas silence end ID"),
        ),
    ),
)
