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
