-- Events that a consumer could not take, and what waits behind them. A consumer is whoever takes events: the
-- relay that publishes them, and everyone who applies what it published.

CREATE TABLE dead_letters (
    merchant_id       text COLLATE "C" NOT NULL,
    consumer          text COLLATE "C" NOT NULL CHECK (consumer ~ '^[a-z][a-z0-9-]{0,62}$'),
    aggregate_id      text COLLATE "C" NOT NULL,
    aggregate_version bigint      NOT NULL CHECK (aggregate_version > 0),
    bucket            smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    type              text        NOT NULL,
    headers           jsonb       NOT NULL,
    value             bytea       NOT NULL,
    state             text        NOT NULL CHECK (state IN ('PARKED', 'WAITING', 'RETRYING')),
    error             text        NOT NULL CHECK (length(error) <= 1000),
    tries             integer     NOT NULL CHECK (tries >= 0),
    parked_at         timestamptz NOT NULL,
    -- An event that is delivered again is the same row.
    PRIMARY KEY (merchant_id, consumer, aggregate_id, aggregate_version)
);

-- What operators look for. Of an aggregate only the first event is ever parked.
CREATE UNIQUE INDEX dead_letters_parked ON dead_letters (merchant_id, consumer, aggregate_id)
    WHERE state = 'PARKED';

-- Workers look for what they are asked to try again in their buckets.
CREATE INDEX dead_letters_retrying ON dead_letters (bucket, consumer, merchant_id, aggregate_id, aggregate_version)
    WHERE state = 'RETRYING';

GRANT SELECT, INSERT, DELETE, UPDATE (state, error, tries, parked_at) ON dead_letters TO payflow_application;

-- Operators may discard a webhook that is parked, too.
ALTER TABLE webhook_inbox
    DROP CONSTRAINT webhook_inbox_state_check,
    ADD CONSTRAINT webhook_inbox_state_check
        CHECK (state IN ('PENDING', 'APPLIED', 'IGNORED', 'PARKED', 'DISCARDED'));

DROP INDEX webhook_inbox_settled;
CREATE INDEX webhook_inbox_settled ON webhook_inbox (bucket, settled_at)
    WHERE state IN ('APPLIED', 'IGNORED', 'DISCARDED');
