-- What PSPs' verified webhooks say, until a worker has applied it and for a while after.

CREATE TABLE webhook_inbox (
    merchant_id    text COLLATE "C" NOT NULL,
    connector      text COLLATE "C" NOT NULL,
    credential_ref text COLLATE "C" NOT NULL,
    event_id       text COLLATE "C" NOT NULL CHECK (length(event_id) BETWEEN 1 AND 255),
    id             text COLLATE "C" NOT NULL,
    bucket         smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    intent_id      text COLLATE "C" NOT NULL CHECK ((intent_id = '') = (merchant_id = '')),
    psp_account_id text        NOT NULL,
    reference      text        NOT NULL,
    content        bytea       NOT NULL CHECK (length(content) <= 262144),
    received_at    timestamptz NOT NULL,
    position       smallint    NOT NULL CHECK (position >= 0),
    correlation_id text        NOT NULL,
    traceparent    text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('PENDING', 'APPLIED', 'IGNORED', 'PARKED')),
    tries          integer     NOT NULL CHECK (tries >= 0),
    due_at         timestamptz NOT NULL,
    -- What waits for something else about its payment, which may be told behind it, keeps nobody waiting.
    yields         boolean     NOT NULL DEFAULT false,
    detail         text        NOT NULL,
    settled_at     timestamptz CHECK ((settled_at IS NULL) = (state = 'PENDING')),
    -- An event that is delivered again is the same row. Events that name none of our payments are merchant ''.
    PRIMARY KEY (merchant_id, connector, credential_ref, event_id)
);

-- Ids are time-ordered, so a merchant's newest are found here, too.
CREATE UNIQUE INDEX webhook_inbox_id ON webhook_inbox (merchant_id, id);

-- Workers look for what is due in their buckets, and whether something of the same payment comes first.
CREATE INDEX webhook_inbox_due ON webhook_inbox (bucket, due_at) WHERE state = 'PENDING';
CREATE INDEX webhook_inbox_in_order ON webhook_inbox (merchant_id, intent_id, received_at, position, id)
    WHERE state = 'PENDING';

-- What operators look for, whichever merchant it belongs to.
CREATE INDEX webhook_inbox_open ON webhook_inbox (bucket, state, id) WHERE state IN ('PENDING', 'PARKED');

CREATE INDEX webhook_inbox_settled ON webhook_inbox (bucket, settled_at) WHERE state IN ('APPLIED', 'IGNORED');

-- Only what is settled is ever deleted.
CREATE TRIGGER webhook_inbox_open_kept BEFORE DELETE ON webhook_inbox
    FOR EACH ROW WHEN (OLD.state IN ('PENDING', 'PARKED')) EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, DELETE, UPDATE (state, tries, due_at, yields, detail, settled_at)
    ON webhook_inbox TO payflow_application;

-- A webhook's address names an account, not its merchant: whose secrets may have signed it is found here,
-- without going through all accounts of that name.
CREATE INDEX psp_accounts_endpoints ON psp_accounts (id, connector, credential_ref);
