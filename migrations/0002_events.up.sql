-- The event store and the outbox in one: append-only, numbered without gaps in each aggregate.

CREATE TABLE events (
    merchant_id       text COLLATE "C" NOT NULL,
    aggregate_id      text COLLATE "C" NOT NULL,
    aggregate_version bigint      NOT NULL CHECK (aggregate_version > 0),
    bucket            smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    type              text        NOT NULL,
    schema_version    smallint    NOT NULL,
    payload           bytea       NOT NULL,
    occurred_at       timestamptz NOT NULL,
    actor             text        NOT NULL,
    correlation_id    text        NOT NULL,
    causation_id      text COLLATE "C" NOT NULL,
    causation_seq     smallint    NOT NULL,
    traceparent       text        NOT NULL,
    xid               xid8        NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (merchant_id, aggregate_id, aggregate_version)
);

-- A command takes effect once, even when the connection is lost at COMMIT and it is sent again.
CREATE UNIQUE INDEX events_command ON events (merchant_id, causation_id) WHERE causation_seq = 0;

-- The order in which the relay reads: by transaction, then by position in the aggregate.
CREATE INDEX events_relay ON events (bucket, xid, aggregate_id, aggregate_version);

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'PF001';
END
$$;

-- The relay's reading order rests on serializable writers: see docs/DESIGN.md.
CREATE FUNCTION require_serializable() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'serializable' THEN
        RAISE EXCEPTION '% is written by serializable transactions only', TG_TABLE_NAME USING ERRCODE = 'PF002';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_serializable BEFORE INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION require_serializable();

-- Not xid: the relay's order rests on it, so it is always the transaction's own.
GRANT SELECT, INSERT (merchant_id, aggregate_id, aggregate_version, bucket, type, schema_version, payload,
                      occurred_at, actor, correlation_id, causation_id, causation_seq, traceparent)
    ON events TO payflow_application;

-- Free text and metadata, beside the events so that they can be erased; events hold their hash.
CREATE TABLE texts (
    merchant_id text COLLATE "C" NOT NULL,
    owner_id    text COLLATE "C" NOT NULL,
    body        text  NOT NULL,
    metadata    jsonb NOT NULL,
    PRIMARY KEY (merchant_id, owner_id)
);

-- Lists of accounts (owners from 'account:' to before 'account;') and of transactions (from 'txn_' to before
-- 'txn`') by metadata. A query uses it when it repeats both ends of one of the ranges.
CREATE INDEX texts_ledger_metadata ON texts USING gin (metadata jsonb_path_ops)
    WHERE (owner_id >= 'account:' AND owner_id < 'account;') OR (owner_id >= 'txn_' AND owner_id < 'txn`');

GRANT SELECT, INSERT, UPDATE, DELETE ON texts TO payflow_application;
