-- Current state of payment intents, refunds and PSP attempts: projections of the events, one row each.

CREATE TABLE payment_intents (
    merchant_id              text COLLATE "C" NOT NULL,
    id                       text COLLATE "C" NOT NULL,
    bucket                   smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    version                  bigint      NOT NULL CHECK (version > 0),
    status                   text        NOT NULL CHECK (status IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING',
                                 'AUTHORIZED', 'CAPTURED', 'REFUNDED', 'CANCELED', 'FAILED')),
    amount                   bigint      NOT NULL CHECK (amount > 0),
    currency                 text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    capture_method           text        NOT NULL CHECK (capture_method IN ('MANUAL', 'AUTOMATIC')),
    payment_method           text        NOT NULL,
    operation                jsonb       CHECK ((operation IS NOT NULL) = (status = 'PROCESSING')),
    authorized_amount        bigint      NOT NULL CHECK (authorized_amount BETWEEN 0 AND amount),
    captured_amount          bigint      NOT NULL CHECK (captured_amount BETWEEN 0 AND authorized_amount),
    fee_amount               bigint      NOT NULL CHECK (fee_amount >= 0),
    refunded_amount          bigint      NOT NULL CHECK (refunded_amount >= 0),
    refund_pending_amount    bigint      NOT NULL CHECK (refund_pending_amount >= 0),
    psp                      text        NOT NULL,
    psp_account_id           text        NOT NULL,
    psp_payment_id           text        NOT NULL,
    next_action              jsonb,
    failure                  jsonb,
    cancellation_reason      text        CHECK (cancellation_reason IN ('REQUESTED', 'EXPIRED', 'PSP')),
    hold_transaction_id      text        NOT NULL,
    capture_transaction_id   text        NOT NULL,
    attempts_started         integer     NOT NULL,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    authorized_at            timestamptz,
    authorization_expires_at timestamptz,
    captured_at              timestamptz,
    canceled_at              timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT refunds_within_capture CHECK (refunded_amount + refund_pending_amount <= captured_amount)
);

CREATE INDEX payment_intents_by_status ON payment_intents (merchant_id, status, id);

-- Workers look for what is due in their buckets, whichever merchant it belongs to.
CREATE INDEX payment_intents_expiring ON payment_intents (bucket, authorization_expires_at)
    WHERE status = 'AUTHORIZED';

CREATE TABLE refunds (
    merchant_id           text COLLATE "C" NOT NULL,
    id                    text COLLATE "C" NOT NULL,
    payment_intent_id     text COLLATE "C" NOT NULL,
    amount                bigint      NOT NULL CHECK (amount > 0),
    currency              text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status                text        NOT NULL CHECK (status IN ('PENDING', 'REFUNDED', 'FAILED')),
    psp_refund_id         text        NOT NULL,
    failure               jsonb,
    hold_transaction_id   text        NOT NULL,
    refund_transaction_id text        NOT NULL,
    created_at            timestamptz NOT NULL,
    refunded_at           timestamptz,
    PRIMARY KEY (merchant_id, id)
);

CREATE INDEX refunds_by_intent ON refunds (merchant_id, payment_intent_id, id);

CREATE TABLE psp_attempts (
    merchant_id       text COLLATE "C" NOT NULL,
    payment_intent_id text COLLATE "C" NOT NULL,
    id                text COLLATE "C" NOT NULL,
    bucket            smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    operation         text        NOT NULL CHECK (operation IN ('AUTHORIZE', 'CAPTURE', 'CANCEL', 'REFUND')),
    amount            bigint      NOT NULL CHECK (amount > 0),
    currency          text        NOT NULL,
    psp_account_id    text        NOT NULL,
    connector         text        NOT NULL,
    psp_key           text        NOT NULL,
    payment_method    text        NOT NULL,
    psp_payment_id    text        NOT NULL,
    sale              boolean     NOT NULL,
    refund_id         text        NOT NULL,
    idempotency_key   text        NOT NULL,
    state             text        NOT NULL CHECK (state IN ('RUNNING', 'UNKNOWN', 'PARKED', 'SUCCEEDED',
                          'DECLINED', 'NOT_EXECUTED')),
    fence             integer     NOT NULL CHECK (fence > 0),
    checks            integer     NOT NULL CHECK (checks >= 0),
    due_at            timestamptz NOT NULL,
    started_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    PRIMARY KEY (merchant_id, payment_intent_id, id)
);

-- One operation is in flight for an intent at a time; its refunds are apart from that.
CREATE UNIQUE INDEX psp_attempts_one_operation ON psp_attempts (merchant_id, payment_intent_id)
    WHERE operation <> 'REFUND' AND state IN ('RUNNING', 'UNKNOWN', 'PARKED');

-- The intent's id leads, although the key alone is unique: otherwise this index looks as good as the
-- primary key to a planner that knows nothing of the table yet, and finding one intent's attempts would
-- walk through all of the merchant's.
CREATE UNIQUE INDEX psp_attempts_key ON psp_attempts (merchant_id, payment_intent_id, psp_key);

CREATE INDEX psp_attempts_due ON psp_attempts (bucket, due_at) WHERE state IN ('RUNNING', 'UNKNOWN');

GRANT SELECT, INSERT, UPDATE ON payment_intents, refunds, psp_attempts TO payflow_application;
