-- How far events are published, by parts that the relays share. The events themselves are never marked.

CREATE TABLE relay_parts (
    -- Part n is the buckets from 16 n on, 16 of them.
    number            smallint PRIMARY KEY CHECK (number BETWEEN 0 AND 15),
    owner             text COLLATE "C" NOT NULL,
    -- Grows each time that the part changes hands: who is too slow finds another one here.
    fence             bigint      NOT NULL,
    lease_until       timestamptz NOT NULL,
    -- The cluster whose transactions xid counts; 0 before everything is to be published from the beginning.
    system_identifier bigint      NOT NULL,
    -- Everything up to here is published, in the order of (xid, aggregate_id, aggregate_version, merchant_id);
    -- while all that was there before xid is published from the beginning, in the order of the primary key of
    -- events.
    from_beginning    boolean     NOT NULL,
    xid               xid8        NOT NULL,
    merchant_id       text COLLATE "C" NOT NULL,
    aggregate_id      text COLLATE "C" NOT NULL,
    aggregate_version bigint      NOT NULL
) WITH (fillfactor = 10);

INSERT INTO relay_parts
SELECT number, '', 0, '-infinity', 0, false, '0', '', '', 0
FROM generate_series(0, 15) AS number;

GRANT SELECT, UPDATE ON relay_parts TO payflow_application;

-- The relays that are alive share the parts; a relay that has none is one of them.
CREATE TABLE relays (
    id          text COLLATE "C" PRIMARY KEY,
    lease_until timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON relays TO payflow_application;

-- Where the log of each of the topic's partitions ended when it was looked at last. A log whose end comes before
-- that has lost what was published.
CREATE TABLE relay_topics (
    topic text COLLATE "C" PRIMARY KEY,
    ends  bigint[] NOT NULL,
    -- Grows each time that everything is published again.
    logs  bigint   NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON relay_topics TO payflow_application;
