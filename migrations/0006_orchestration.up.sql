-- Several PSPs: attempts that fail over, that PSPs finish later, and that turn out to have succeeded after all.

ALTER TABLE payment_intents
    ADD COLUMN payment_method_type text NOT NULL DEFAULT 'card',
    ADD COLUMN country             text NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$');

ALTER TABLE psp_attempts
    ADD COLUMN vanished              integer NOT NULL DEFAULT 0 CHECK (vanished >= 0),
    ADD COLUMN return_url            text    NOT NULL DEFAULT '',
    ADD COLUMN action_result         text    NOT NULL DEFAULT '',
    ADD COLUMN psp_reference         text    NOT NULL DEFAULT '',
    ADD COLUMN shuts_out             boolean NOT NULL DEFAULT false,
    ADD COLUMN undoes                text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN undoes_transaction_id text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN failure               jsonb,
    DROP CONSTRAINT psp_attempts_state_check,
    ADD CONSTRAINT psp_attempts_state_check CHECK (state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED', 'PARKED',
        'SUCCEEDED', 'DECLINED', 'NOT_EXECUTED', 'STRAY', 'UNDONE'));

-- One operation is in flight for an intent at a time; its refunds, and what undoes a stray, are apart from that.
DROP INDEX psp_attempts_one_operation;
CREATE UNIQUE INDEX psp_attempts_one_operation ON psp_attempts (merchant_id, payment_intent_id)
    WHERE operation <> 'REFUND' AND undoes = '' AND state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED', 'PARKED');

-- A stray attempt is undone by one other.
CREATE UNIQUE INDEX psp_attempts_one_undoing ON psp_attempts (merchant_id, payment_intent_id, undoes)
    WHERE undoes <> '';

DROP INDEX psp_attempts_due;
CREATE INDEX psp_attempts_due ON psp_attempts (bucket, due_at) WHERE state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED');

-- What has no outcome yet, oldest first: for operators, and for checks when a PSP is back.
CREATE INDEX psp_attempts_open ON psp_attempts (bucket, started_at, id)
    WHERE state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED', 'PARKED');
