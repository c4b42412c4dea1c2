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
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT undoes_one_at_most CHECK (resolves_transaction_id IS NULL AND reverses_transaction_id IS NULL
        OR status = 'POSTED' AND (resolves_transaction_id IS NULL OR reverses_transaction_id IS NULL))
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
    posted_after          bigint      NOT NULL CHECK (posted_after > -9223372036854775808),
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

CREATE FUNCTION require_zero_sums() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM booked
        GROUP BY transaction_id, merchant_id, currency, layer
        HAVING sum(amount) <> 0
    ) THEN
        RAISE EXCEPTION 'entries of a transaction do not sum to zero' USING ERRCODE = 'PF003';
    END IF;
    RETURN NULL;
END
$$;

-- Every transaction arrives whole, in one statement, and nothing is added to it later. A hold is all of
-- entries that hold, any other transaction has none, and only what resolves a hold has entries that release.
CREATE FUNCTION require_whole_transactions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    torn    boolean;
    misheld boolean;
BEGIN
    SELECT bool_or(t.entry_count IS DISTINCT FROM arrived.entry_count
                OR t.entry_count <> arrived.last_position
                OR t.recorded_at <> arrived.recorded_at),
           bool_or(arrived.held <> CASE t.status WHEN 'POSTED' THEN 0 ELSE t.entry_count END
                OR arrived.releases AND t.resolves_transaction_id IS NULL)
    INTO torn, misheld
    FROM (
        SELECT merchant_id, transaction_id, recorded_at, count(*) AS entry_count,
               max(position) AS last_position,
               count(*) FILTER (WHERE layer = 'PENDING' AND NOT releases) AS held,
               bool_or(releases) AS releases
        FROM booked
        GROUP BY transaction_id, merchant_id, recorded_at
    ) AS arrived
    LEFT JOIN transactions AS t ON t.merchant_id = arrived.merchant_id AND t.id = arrived.transaction_id;
    IF torn THEN
        RAISE EXCEPTION 'a transaction must be booked whole' USING ERRCODE = 'PF004';
    END IF;
    IF misheld THEN
        RAISE EXCEPTION 'only a hold holds, and only what resolves it releases' USING ERRCODE = 'PF007';
    END IF;
    RETURN NULL;
END
$$;

-- The only writer of balances. A balance follows its new entries when they continue its account: versions
-- without a gap, times that never fall, each entry with the sums behind it, and nothing available beyond
-- 64 bits at any of them. Every entry must have been followed.
CREATE FUNCTION apply_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    followed bigint;
BEGIN
    WITH moved AS (
        UPDATE balances AS b
        SET posted = history.posted,
            pending_debits = history.pending_debits,
            pending_credits = history.pending_credits,
            version = history.version,
            recorded_at = history.last_recorded
        FROM (
            SELECT merchant_id, account_id, currency, count(*) AS entries,
                   -- Null on an account's first new entry, which its balance is compared with instead.
                   bool_or(recorded_at < recorded_before
                        OR posted_after <> posted_before + posted_moved
                        OR pending_debits_after <> debits_before + debits_moved
                        OR pending_credits_after <> credits_before + credits_moved) AS broken,
                   min(posted_after - posted_moved) FILTER (WHERE is_first) AS posted_before,
                   min(pending_debits_after - debits_moved) FILTER (WHERE is_first) AS debits_before,
                   min(pending_credits_after - credits_moved) FILTER (WHERE is_first) AS credits_before,
                   min(posted_after) FILTER (WHERE is_last) AS posted,
                   min(pending_debits_after) FILTER (WHERE is_last) AS pending_debits,
                   min(pending_credits_after) FILTER (WHERE is_last) AS pending_credits,
                   max(account_version) AS version,
                   min(recorded_at) AS first_recorded,
                   max(recorded_at) AS last_recorded,
                   -- posted - pending_credits, and -posted - pending_debits, without leaving 64 bits.
                   bool_or(pending_credits_after > least(posted_after, 0) + 9223372036854775807)
                       AS beyond_as_debit_normal,
                   bool_or(pending_debits_after > 9223372036854775807 - greatest(posted_after, 0))
                       AS beyond_as_credit_normal
            FROM (
                SELECT merchant_id, account_id, currency, account_version, recorded_at,
                       posted_after, pending_debits_after, pending_credits_after,
                       CASE layer WHEN 'POSTED' THEN amount ELSE 0 END AS posted_moved,
                       CASE WHEN layer = 'PENDING' AND (amount > 0) <> releases THEN amount ELSE 0 END
                           AS debits_moved,
                       CASE WHEN layer = 'PENDING' AND (amount > 0) = releases THEN -amount ELSE 0 END
                           AS credits_moved,
                       lag(account_version) OVER history IS NULL AS is_first,
                       lag(recorded_at) OVER history AS recorded_before,
                       lag(posted_after) OVER history AS posted_before,
                       lag(pending_debits_after) OVER history AS debits_before,
                       lag(pending_credits_after) OVER history AS credits_before,
                       lead(account_version) OVER history IS NULL AS is_last
                FROM booked
                WINDOW history AS (PARTITION BY account_id, merchant_id, currency ORDER BY account_version)
            ) AS e
            GROUP BY account_id, merchant_id, currency
        ) AS history
        WHERE b.merchant_id = history.merchant_id
          AND b.account_id = history.account_id
          AND b.currency = history.currency
          AND history.broken IS NOT TRUE
          -- Versions are unique and all of those before are taken, so this many up to here have no gap.
          AND b.version + history.entries = history.version
          AND b.posted = history.posted_before
          AND b.pending_debits = history.debits_before
          AND b.pending_credits = history.credits_before
          AND coalesce(b.recorded_at, '-infinity') <= history.first_recorded
          AND NOT CASE WHEN b.debit_normal THEN beyond_as_debit_normal ELSE beyond_as_credit_normal END
        RETURNING history.entries
    )
    SELECT sum(entries) INTO followed FROM moved;
    IF coalesce(followed, 0) <> (SELECT count(*) FROM booked) THEN
        RAISE EXCEPTION 'an entry does not continue its account' USING ERRCODE = 'PF005';
    END IF;
    RETURN NULL;
END
$$;

-- They fire in the order of their names.
CREATE TRIGGER entries_balanced AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION require_zero_sums();
CREATE TRIGGER entries_complete AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION require_whole_transactions();
CREATE TRIGGER entries_continue AFTER INSERT ON entries
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION apply_entries();

CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What resolves a hold takes it back whole, entry by entry, and what reverses a transaction posts its exact
-- opposite. Told at the commit, when the entries and the hold's new status are there. That neither has other
-- PENDING entries is seen to above.
CREATE FUNCTION require_exact_undoing() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    resolves        CONSTANT boolean := NEW.resolves_transaction_id IS NOT NULL;
    undone_id       CONSTANT text := coalesce(NEW.resolves_transaction_id, NEW.reverses_transaction_id);
    undone_layer    CONSTANT text := CASE WHEN resolves THEN 'PENDING' ELSE 'POSTED' END;
    expected_status CONSTANT text := CASE WHEN resolves THEN 'RESOLVED' ELSE 'POSTED' END;
    exact boolean;
BEGIN
    SELECT bool_and(undone_times = undoing_times) INTO exact
    FROM (
        SELECT count(*) FILTER (WHERE transaction_id = undone_id) AS undone_times,
               count(*) FILTER (WHERE transaction_id = NEW.id) AS undoing_times
        FROM entries
        WHERE merchant_id = NEW.merchant_id
          AND transaction_id IN (undone_id, NEW.id)
          AND layer = undone_layer
        GROUP BY account_id, CASE transaction_id WHEN NEW.id THEN -amount ELSE amount END
    ) AS compared;
    IF exact AND undone_id <> NEW.id AND EXISTS (
        SELECT FROM transactions
        WHERE merchant_id = NEW.merchant_id AND id = undone_id AND status = expected_status
    ) THEN
        RETURN NULL;
    END IF;
    IF resolves THEN
        RAISE EXCEPTION 'a hold is taken back whole or not at all' USING ERRCODE = 'PF007';
    END IF;
    RAISE EXCEPTION 'a reversal is the exact opposite of what was posted' USING ERRCODE = 'PF008';
END
$$;

CREATE CONSTRAINT TRIGGER transactions_undo_exactly AFTER INSERT ON transactions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.resolves_transaction_id IS NOT NULL OR NEW.reverses_transaction_id IS NOT NULL)
    EXECUTE FUNCTION require_exact_undoing();

-- A transaction never changes, but for a hold that another one resolves.
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
    IF NOT EXISTS (
        SELECT FROM public.transactions
        WHERE merchant_id = NEW.merchant_id AND resolves_transaction_id = NEW.id
    ) THEN
        RAISE EXCEPTION 'a hold is resolved by a transaction' USING ERRCODE = 'PF007';
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

REVOKE EXECUTE ON FUNCTION open_balances(), require_zero_sums(), require_whole_transactions(), apply_entries(),
    require_exact_undoing() FROM PUBLIC;
GRANT SELECT, INSERT ON accounts, transactions, entries TO payflow_application;
GRANT UPDATE (status) ON transactions TO payflow_application;
GRANT SELECT ON balances TO payflow_application;
