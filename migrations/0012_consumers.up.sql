-- The inbox of consumers: the last event of each aggregate that took effect. Events of an aggregate come in
-- order, so one row says for all of them whether they did.

CREATE TABLE inbox (
    merchant_id       text COLLATE "C" NOT NULL,
    consumer          text COLLATE "C" NOT NULL CHECK (consumer ~ '^[a-z][a-z0-9-]{0,62}$'),
    aggregate_id      text COLLATE "C" NOT NULL,
    aggregate_version bigint NOT NULL CHECK (aggregate_version > 0),
    PRIMARY KEY (merchant_id, consumer, aggregate_id)
);

GRANT SELECT, INSERT, DELETE, UPDATE (aggregate_version) ON inbox TO payflow_application;

-- What happened to a merchant's payments on a day (UTC), in minor units: written by the consumer `analytics`
-- from events alone. Payments that have no PSP account yet are under ''.
CREATE TABLE analytics_daily_totals (
    merchant_id               text COLLATE "C" NOT NULL,
    day                       date   NOT NULL,
    currency                  text COLLATE "C" NOT NULL,
    psp_account_id            text COLLATE "C" NOT NULL,
    created_count             bigint NOT NULL,
    created_amount            bigint NOT NULL,
    authorized_count          bigint NOT NULL,
    authorized_amount         bigint NOT NULL,
    captured_count            bigint NOT NULL,
    captured_amount           bigint NOT NULL,
    fee_amount                bigint NOT NULL,
    canceled_count            bigint NOT NULL,
    canceled_amount           bigint NOT NULL,
    failed_count              bigint NOT NULL,
    failed_amount             bigint NOT NULL,
    failed_over_count         bigint NOT NULL,
    failed_over_amount        bigint NOT NULL,
    refunded_count            bigint NOT NULL,
    refunded_amount           bigint NOT NULL,
    reversed_captures_count   bigint NOT NULL,
    reversed_captures_amount  bigint NOT NULL,
    reversed_fee_amount       bigint NOT NULL,
    reversed_refunds_count    bigint NOT NULL,
    reversed_refunds_amount   bigint NOT NULL,
    PRIMARY KEY (merchant_id, day, currency, psp_account_id)
);

-- What later events of a payment do not say again.
CREATE TABLE analytics_payments (
    merchant_id       text COLLATE "C" NOT NULL,
    payment_intent_id text COLLATE "C" NOT NULL,
    amount            bigint  NOT NULL,
    currency          text    NOT NULL,
    psp_account_id    text    NOT NULL,
    is_placed         boolean NOT NULL,
    is_authorized     boolean NOT NULL,
    captured_amount   bigint  NOT NULL,
    fee_amount        bigint  NOT NULL,
    -- Amounts by refund, of those that have not failed.
    refunds           jsonb   NOT NULL,
    PRIMARY KEY (merchant_id, payment_intent_id)
);

-- When the newest event of a merchant happened that is in the totals.
CREATE TABLE analytics_freshness (
    merchant_id text COLLATE "C" PRIMARY KEY,
    as_of       timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON analytics_daily_totals, analytics_payments, analytics_freshness
    TO payflow_application;
