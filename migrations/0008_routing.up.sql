-- Routing: rules and experiments of merchants, what PSPs cost, and what a payment's experiment is counted by.

-- Rules are never changed: new ones are another version. The one with the highest version holds.
CREATE TABLE routing_rules (
    merchant_id text COLLATE "C" NOT NULL,
    version     bigint      NOT NULL CHECK (version > 0),
    rules       jsonb       NOT NULL,
    set_at      timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, version)
);

CREATE TABLE routing_experiments (
    merchant_id text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    bucket      smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    name        text        NOT NULL,
    arms        jsonb       NOT NULL,
    guardrail   jsonb       NOT NULL,
    version     bigint      NOT NULL CHECK (version > 0),
    status      text        NOT NULL CHECK (status IN ('RUNNING', 'STOPPED')),
    stop_reason text        CHECK (stop_reason IN ('REQUESTED', 'GUARDRAIL')),
    stopped_for text        NOT NULL,
    started_at  timestamptz NOT NULL,
    stopped_at  timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT stopped_or_running CHECK (
        (status = 'STOPPED') = (stopped_at IS NOT NULL) AND (stopped_at IS NULL) = (stop_reason IS NULL))
);

-- The last change of a merchant's experiments: with its rules' it is the version of its routing, and only the
-- experiment that changed last can be running.
CREATE UNIQUE INDEX routing_experiments_version ON routing_experiments (merchant_id, version);

CREATE UNIQUE INDEX routing_experiments_one_running ON routing_experiments (merchant_id)
    WHERE status = 'RUNNING';

-- Workers watch over what is running in their buckets.
CREATE INDEX routing_experiments_running ON routing_experiments (bucket) WHERE status = 'RUNNING';

GRANT SELECT, INSERT ON routing_rules TO payflow_application;
GRANT SELECT, INSERT, UPDATE ON routing_experiments TO payflow_application;

-- Negotiated costs; where there are none, those that the connector states.
ALTER TABLE psp_accounts
    ADD COLUMN cost_bps   integer CHECK (cost_bps BETWEEN 0 AND 10000),
    ADD COLUMN cost_fixed bigint  CHECK (cost_fixed >= 0);

ALTER TABLE payment_intents
    ADD COLUMN experiment_id  text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN experiment_arm text   NOT NULL DEFAULT '',
    ADD COLUMN routing_cost   bigint NOT NULL DEFAULT 0 CHECK (routing_cost >= 0);

-- Results of experiments are counted, so that no payment has to wait for a counter.
CREATE INDEX payment_intents_by_experiment ON payment_intents (merchant_id, experiment_id)
    WHERE experiment_id <> '';
