-- Fails where a stray attempt was undone again; nothing is lost then.
DROP INDEX psp_attempts_one_undoing;
CREATE UNIQUE INDEX psp_attempts_one_undoing ON psp_attempts (merchant_id, payment_intent_id, undoes)
    WHERE undoes <> '';
