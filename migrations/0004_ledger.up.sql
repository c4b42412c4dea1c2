-- The double-entry ledger. What must never be wrong is held here, whatever the application does:
-- entries sum to zero, every account's history is contiguous and adds up, nothing is changed later,
-- and balances move only with entries.

CREATE TABLE accounts (
    merchant_id    text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    type           text        NOT NULL CHECK (type IN ('ASSET', 'LIABILITY', 'EQUITY', 'REVENUE', 'EXPENSE')),
    currency       text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    allow_negative boolean     NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

-- Lists by id, of one type or of one currency.
CREATE INDEX accounts_by_type ON accounts (merchant_id, type, id);
CREATE INDEX accounts_by_currency ON accounts (merchant_id, currency, id);

CREATE TABLE balances (
    merchant_id     text COLLATE "C" NOT NULL,
    account_id      text COLLATE "C" NOT NULL,
    currency        text        NOT NULL,
    debit_normal    boolean     NOT NULL,
    allow_negative  boolean     NOT NULL,
    posted          bigint      NOT NULL DEFAULT 0,
    pending_debits  bigint      NOT NULL DEFAULT 0 CHECK (pending_debits >= 0),
    pending_credits bigint      NOT NULL DEFAULT 0 CHECK (pending_credits >= 0),
    version         bigint      NOT NULL DEFAULT 0,
    recorded_at     timestamptz,
    PRIMARY KEY (merchant_id, account_id),
    CONSTRAINT available_not_negative CHECK (allow_negative
        OR CASE WHEN debit_normal THEN posted - pending_credits ELSE -posted - pending_debits END >= 0)
) WITH (fillfactor = 70);  -- room for updates in place: every posting moves a balance

CREATE TABLE transactions (
    merchant_id             text COLLATE "C" NOT NULL,
    id                      text COLLATE "C" NOT NULL,
    bucket                  smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    status                  text        NOT NULL CHECK (status IN ('POSTED', 'PENDING', 'RESOLVED')),
    entry_count             smallint    NOT NULL CHECK (entry_count BETWEEN 2 AND 200),
    reference               text,
    effective_at            timestamptz,
    expires_at              timestamptz CHECK (expires_at IS NULL OR status <> 'POSTED'),
    resolves_transaction_id text COLLATE "C",
    reverses_transaction_id text COLLATE "C",
    recorded_at             timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

CREATE UNIQUE INDEX transactions_reference ON transactions (merchant_id, reference) WHERE reference IS NOT NULL;
-- A hold is resolved once, and a transaction reversed once.
CREATE UNIQUE INDEX transactions_resolves ON transactions (merchant_id, resolves_transaction_id)
    WHERE resolves_transaction_id IS NOT NULL;
CREATE UNIQUE INDEX transactions_reverses ON transactions (merchant_id, reverses_transaction_id)
    WHERE reverses_transaction_id IS NOT NULL;

CREATE INDEX transactions_open ON transactions (merchant_id, id) WHERE status = 'PENDING';
-- Workers look for holds that have lapsed in their buckets, whichever merchant they belong to.
CREATE INDEX transactions_expiring ON transactions (bucket, expires_at)
    WHERE status = 'PENDING' AND expires_at IS NOT NULL;

CREATE TABLE entries (
    merchant_id           text COLLATE "C" NOT NULL,
    account_id            text COLLATE "C" NOT NULL,
    account_version       bigint      NOT NULL CHECK (account_version > 0),
    transaction_id        text COLLATE "C" NOT NULL,
    position              smallint    NOT NULL CHECK (position > 0),
    layer                 text        NOT NULL CHECK (layer IN ('POSTED', 'PENDING')),
    amount                bigint      NOT NULL CHECK (amount <> 0 AND amount > -9223372036854775808),
    currency              text        NOT NULL,
    releases              boolean     NOT NULL CHECK (layer = 'PENDING' OR NOT releases),
    posted_after          bigint      NOT NULL,
    pending_debits_after  bigint      NOT NULL CHECK (pending_debits_after >= 0),
    pending_credits_after bigint      NOT NULL CHECK (pending_credits_after >= 0),
    recorded_at           timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, account_id, account_version)
);

CREATE UNIQUE INDEX entries_by_transaction ON entries (merchant_id, transaction_id, position);

-- A balance as of an instant is the last entry recorded by then: one look-up here.
CREATE INDEX entries_by_time ON entries (merchant_id, account_id, recorded_at, account_version);

CREATE FUNCTION open_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO balances (merchant_id, account_id, currency, debit_normal, allow_negative)
    SELECT merchant_id, id, currency, type IN ('ASSET', 'EXPENSE'), allow_negative
    FROM opened;
    RETURN NULL;
END
$$;

CREATE TRIGGER accounts_open_balances AFTER INSERT ON accounts
    REFERENCING NEW TABLE AS opened
    FOR EACH STATEMENT EXECUTE FUNCTION open_balances();

-- The only writer of balances. It proves the new entries right before it lets a balance follow them.
CREATE FUNCTION apply_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    accounts_touched bigint;
    accounts_moved   bigint;
BEGIN
    IF EXISTS (
        SELECT FROM booked
        GROUP BY merchant_id, transaction_id, currency, layer
        HAVING sum(amount) <> 0
    ) THEN
        RAISE EXCEPTION 'entries of a transaction do not sum to zero' USING ERRCODE = 'PF003';
    END IF;

    -- Every transaction arrives whole, in one statement, and nothing is added to it later.
    IF EXISTS (
        SELECT FROM (
            SELECT merchant_id, transaction_id, count(*) AS entry_count, max(position) AS last_position,
                   max(recorded_at) AS last_recorded, min(recorded_at) AS first_recorded
            FROM booked
            GROUP BY merchant_id, transaction_id
        ) AS arrived
        LEFT JOIN transactions AS t ON t.merchant_id = arrived.merchant_id AND t.id = arrived.transaction_id
        WHERE t.entry_count IS DISTINCT FROM arrived.entry_count
           OR t.entry_count <> arrived.last_position
           OR t.recorded_at <> arrived.first_recorded
           OR t.recorded_at <> arrived.last_recorded
    ) THEN
        RAISE EXCEPTION 'a transaction must be booked whole' USING ERRCODE = 'PF004';
    END IF;

    -- Versions continue the account's without a gap, times never fall, and each entry states the sums behind it.
    IF EXISTS (
        SELECT FROM (
            SELECT merchant_id, account_id, currency, account_version, posted_after, pending_debits_after,
                   pending_credits_after, recorded_at,
                   row_number() OVER history AS ordinal,
                   lag(recorded_at) OVER history AS previous_recorded_at,
                   sum(CASE WHEN layer = 'POSTED' THEN amount ELSE 0 END) OVER history AS posted_moved,
                   sum(CASE WHEN layer = 'PENDING' AND (amount > 0) <> releases THEN amount ELSE 0 END)
                       OVER history AS debits_moved,
                   sum(CASE WHEN layer = 'PENDING' AND (amount > 0) = releases THEN -amount ELSE 0 END)
                       OVER history AS credits_moved
            FROM booked
            WINDOW history AS (PARTITION BY merchant_id, account_id ORDER BY account_version)
        ) AS e
        LEFT JOIN balances AS b ON b.merchant_id = e.merchant_id AND b.account_id = e.account_id
        WHERE e.account_version IS DISTINCT FROM b.version + e.ordinal
           OR e.currency <> b.currency
           OR e.posted_after <> b.posted + e.posted_moved
           OR e.pending_debits_after <> b.pending_debits + e.debits_moved
           OR e.pending_credits_after <> b.pending_credits + e.credits_moved
           OR e.recorded_at < coalesce(e.previous_recorded_at, b.recorded_at, '-infinity')
    ) THEN
        RAISE EXCEPTION 'an entry does not continue its account' USING ERRCODE = 'PF005';
    END IF;

    UPDATE balances AS b
    SET posted = last.posted_after,
        pending_debits = last.pending_debits_after,
        pending_credits = last.pending_credits_after,
        version = last.account_version,
        recorded_at = last.recorded_at
    FROM (
        SELECT DISTINCT ON (merchant_id, account_id) *
        FROM booked
        ORDER BY merchant_id, account_id, account_version DESC
    ) AS last
    WHERE b.merchant_id = last.merchant_id AND b.account_id = last.account_id;
    GET DIAGNOSTICS accounts_moved = ROW_COUNT;
    SELECT count(DISTINCT (merchant_id, account_id)) INTO accounts_touched FROM booked;
    IF accounts_moved <> accounts_touched THEN
        RAISE EXCEPTION 'an entry is on an account that is not there' USING ERRCODE = 'PF006';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER entries_apply AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION apply_entries();

CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A transaction never changes, but for a hold that is resolved.
CREATE FUNCTION only_resolve_holds() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.status <> 'PENDING' OR NEW.status <> 'RESOLVED'
        OR (NEW.merchant_id, NEW.id, NEW.bucket, NEW.entry_count, NEW.reference, NEW.effective_at,
            NEW.expires_at, NEW.resolves_transaction_id, NEW.reverses_transaction_id, NEW.recorded_at)
        IS DISTINCT FROM
           (OLD.merchant_id, OLD.id, OLD.bucket, OLD.entry_count, OLD.reference, OLD.effective_at,
            OLD.expires_at, OLD.resolves_transaction_id, OLD.reverses_transaction_id, OLD.recorded_at)
    THEN
        RAISE EXCEPTION 'a transaction is never changed, only a hold is resolved' USING ERRCODE = 'PF001';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION refuse_born_resolved() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'a hold is resolved later, not when it is placed' USING ERRCODE = 'PF001';
END
$$;

CREATE TRIGGER transactions_not_born_resolved BEFORE INSERT ON transactions
    FOR EACH ROW WHEN (NEW.status = 'RESOLVED') EXECUTE FUNCTION refuse_born_resolved();
CREATE TRIGGER transactions_only_resolve BEFORE UPDATE ON transactions
    FOR EACH ROW EXECUTE FUNCTION only_resolve_holds();
CREATE TRIGGER transactions_kept BEFORE DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER accounts_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

REVOKE EXECUTE ON FUNCTION open_balances(), apply_entries() FROM PUBLIC;
GRANT SELECT, INSERT ON accounts, transactions, entries TO payflow_application;
GRANT UPDATE (status) ON transactions TO payflow_application;
GRANT SELECT ON balances TO payflow_application;
