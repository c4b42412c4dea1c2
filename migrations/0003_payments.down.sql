DROP TABLE psp_attempts, refunds, payment_intents;
