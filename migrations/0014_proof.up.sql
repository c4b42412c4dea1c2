-- Proof: the ledger in signed blocks, each chained to the one before it, one chain for every 16 buckets of
-- merchants. Writers know nothing of it. docs/proof.md says what the bytes are.

-- How far each chain is. Whoever seals holds the chain's row locked, so there is one sealer at a time.
CREATE TABLE seal_chains (
    part              smallint NOT NULL PRIMARY KEY CHECK (part BETWEEN 0 AND 15),
    -- Of its last block; 0 and zeros before the first.
    number            bigint   NOT NULL DEFAULT 0 CHECK (number >= 0),
    head              bytea    NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(head) = 32),
    entries           bigint   NOT NULL DEFAULT 0 CHECK (entries >= 0),
    -- Everything that database transactions up to this one booked is sealed. They are numbered by the cluster
    -- that the identifier names; in another one, or with none, the ledger itself is gone through first, from
    -- behind the transaction that the last two name.
    system_identifier bigint,
    xid               xid8     NOT NULL DEFAULT '0',
    after_merchant_id text COLLATE "C",
    after_id          text COLLATE "C",
    -- The last block whose head was published.
    published_number  bigint   NOT NULL DEFAULT 0 CHECK (published_number >= 0),
    CHECK ((after_merchant_id IS NULL) = (after_id IS NULL))
);

INSERT INTO seal_chains (part) SELECT generate_series(0, 15);

CREATE TABLE seal_blocks (
    part              smallint    NOT NULL,
    number            bigint      NOT NULL CHECK (number > 0),
    previous_head     bytea       NOT NULL CHECK (length(previous_head) = 32),
    root              bytea       NOT NULL CHECK (length(root) = 32),
    transaction_count integer     NOT NULL CHECK (transaction_count > 0),
    entry_count       integer     NOT NULL CHECK (entry_count >= 0),
    -- Of the chain, this block included.
    entries           bigint      NOT NULL,
    system_identifier bigint      NOT NULL,
    xid               xid8        NOT NULL,
    sealed_at         timestamptz NOT NULL,
    head              bytea       NOT NULL CHECK (length(head) = 32),
    signature         bytea       NOT NULL CHECK (length(signature) = 64),
    key_id            text        NOT NULL,
    PRIMARY KEY (part, number)
);

-- The leaves of the blocks' trees, one a transaction; position counts from 0 in its block.
CREATE TABLE sealed_transactions (
    merchant_id    text COLLATE "C" NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    part           smallint NOT NULL,
    number         bigint   NOT NULL,
    position       integer  NOT NULL CHECK (position >= 0),
    leaf           bytea    NOT NULL CHECK (length(leaf) = 32),
    PRIMARY KEY (merchant_id, transaction_id)
);

-- A block's leaves. Without the position, so that thousands of equal keys take little room.
CREATE INDEX sealed_transactions_by_block ON sealed_transactions (part, number);

CREATE TRIGGER seal_chains_kept BEFORE DELETE OR TRUNCATE ON seal_chains
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_blocks_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sealed_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sealed_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON seal_blocks, sealed_transactions TO payflow_application;
GRANT SELECT, UPDATE (number, head, entries, system_identifier, xid, after_merchant_id, after_id,
                      published_number)
    ON seal_chains TO payflow_application;
