UPDATE webhook_inbox SET state = 'IGNORED' WHERE state = 'DISCARDED';
ALTER TABLE webhook_inbox
    DROP CONSTRAINT webhook_inbox_state_check,
    ADD CONSTRAINT webhook_inbox_state_check CHECK (state IN ('PENDING', 'APPLIED', 'IGNORED', 'PARKED'));
DROP INDEX webhook_inbox_settled;
CREATE INDEX webhook_inbox_settled ON webhook_inbox (bucket, settled_at) WHERE state IN ('APPLIED', 'IGNORED');
DROP TABLE dead_letters;
