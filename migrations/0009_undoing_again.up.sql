-- A stray attempt is undone by one other at a time: where that one's refund came back, the next one takes its place.
DROP INDEX psp_attempts_one_undoing;
CREATE UNIQUE INDEX psp_attempts_one_undoing ON psp_attempts (merchant_id, payment_intent_id, undoes)
    WHERE undoes <> '' AND state <> 'DECLINED';
