-- Merchants and their PSP accounts. Small enough to be a reference table when the rest is sharded.
-- Identifiers collate "C": they sort byte by byte, so that time-ordered ids page in time order.

CREATE TABLE merchants (
    merchant_id text COLLATE "C" PRIMARY KEY,
    bucket      smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    slot        integer     NOT NULL CHECK (slot >= 0),
    name        text        NOT NULL,
    mode        text        NOT NULL CHECK (mode IN ('TEST', 'LIVE')),
    version     bigint      NOT NULL CHECK (version > 0),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- The one key without merchant_id: ids end in their merchant's slot, so a slot has one owner.
CREATE UNIQUE INDEX merchants_slot ON merchants (slot);

CREATE TABLE psp_accounts (
    merchant_id    text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    connector      text        NOT NULL,
    mode           text        NOT NULL CHECK (mode IN ('TEST', 'LIVE')),
    fee_bps        integer     NOT NULL CHECK (fee_bps BETWEEN 0 AND 10000),
    fee_fixed      bigint      NOT NULL CHECK (fee_fixed >= 0),
    credential_ref text        NOT NULL,
    priority       integer     NOT NULL,
    enabled        boolean     NOT NULL,
    version        bigint      NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

GRANT SELECT, INSERT, UPDATE ON merchants, psp_accounts TO payflow_application;

-- One row: a secret that signs what is copied into the cache, so that a cache can lose but not invent.
CREATE TABLE installation (
    one_row    boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    cache_key  bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);

INSERT INTO installation DEFAULT VALUES;

GRANT SELECT ON installation TO payflow_application;
