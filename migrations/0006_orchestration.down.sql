DROP INDEX psp_attempts_open;
DROP INDEX psp_attempts_due;
CREATE INDEX psp_attempts_due ON psp_attempts (bucket, due_at) WHERE state IN ('RUNNING', 'UNKNOWN');
DROP INDEX psp_attempts_one_undoing;
DROP INDEX psp_attempts_one_operation;
CREATE UNIQUE INDEX psp_attempts_one_operation ON psp_attempts (merchant_id, payment_intent_id)
    WHERE operation <> 'REFUND' AND state IN ('RUNNING', 'UNKNOWN', 'PARKED');

ALTER TABLE psp_attempts
    DROP CONSTRAINT psp_attempts_state_check,
    ADD CONSTRAINT psp_attempts_state_check CHECK (state IN ('RUNNING', 'UNKNOWN', 'PARKED', 'SUCCEEDED',
        'DECLINED', 'NOT_EXECUTED')),
    DROP COLUMN failure,
    DROP COLUMN undoes_transaction_id,
    DROP COLUMN undoes,
    DROP COLUMN shuts_out,
    DROP COLUMN psp_reference,
    DROP COLUMN action_result,
    DROP COLUMN return_url,
    DROP COLUMN vanished;

ALTER TABLE payment_intents
    DROP COLUMN country,
    DROP COLUMN payment_method_type;
