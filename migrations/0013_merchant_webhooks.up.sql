-- Webhooks that merchants are sent: their endpoints, and every event on its way to one of them.

CREATE TABLE webhook_endpoints (
    merchant_id       text COLLATE "C" NOT NULL,
    id                text COLLATE "C" NOT NULL,
    bucket            smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    url               text        NOT NULL,
    description       text        NOT NULL,
    event_types       text[]      NOT NULL CHECK (cardinality(event_types) > 0),
    status            text        NOT NULL CHECK (status IN ('ENABLED', 'DISABLED')),
    disabled_reason   text        CHECK (disabled_reason IN ('REQUESTED', 'DEAD', 'GONE')),
    secret_generation integer     NOT NULL CHECK (secret_generation > 0),
    secret_rotated_at timestamptz,
    version           bigint      NOT NULL CHECK (version > 0),
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT disabled_for_a_reason CHECK ((status = 'DISABLED') = (disabled_reason IS NOT NULL)),
    CONSTRAINT rotated_at_an_instant CHECK ((secret_generation > 1) = (secret_rotated_at IS NOT NULL))
);

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO payflow_application;

-- Endpoints' secrets are derived from this one; it signs and is never shown.
ALTER TABLE installation
    ADD COLUMN webhook_key bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

CREATE TABLE webhook_deliveries (
    merchant_id     text COLLATE "C" NOT NULL,
    endpoint_id     text COLLATE "C" NOT NULL,
    -- Follows from the event and the endpoint, so that an event that is told again is the same row.
    id              text COLLATE "C" NOT NULL,
    bucket          smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    event_id        text        NOT NULL,
    type            text        NOT NULL,
    object_id       text COLLATE "C" NOT NULL,
    sequence        bigint      NOT NULL CHECK (sequence > 0),
    body            bytea       NOT NULL,
    occurred_at     timestamptz NOT NULL,
    state           text        NOT NULL CHECK (state IN ('PENDING', 'DELIVERED', 'FAILED')),
    tries           integer     NOT NULL CHECK (tries >= 0),
    -- When it was last asked for: at first with its event, later by a request to deliver it again.
    begun_at        timestamptz NOT NULL,
    requested_by    text        NOT NULL DEFAULT '',
    due_at          timestamptz NOT NULL,
    -- Set while somebody sends it; then it is the lease's end, and due_at is the same.
    leased_until    timestamptz CHECK (leased_until IS NULL OR state = 'PENDING'),
    response_status integer,
    detail          text        NOT NULL,
    tried_at        timestamptz,
    settled_at      timestamptz CHECK ((settled_at IS NULL) = (state = 'PENDING')),
    -- Ids are time-ordered, so an endpoint's newest are found here, too.
    PRIMARY KEY (merchant_id, endpoint_id, id)
);

-- Workers go from one endpoint to the next that has something due in their buckets, and see what it is being
-- sent already, and whether something of the same object comes first.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (bucket, merchant_id, endpoint_id, due_at)
    WHERE state = 'PENDING';
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (merchant_id, endpoint_id, leased_until)
    WHERE leased_until IS NOT NULL;
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (merchant_id, endpoint_id, object_id, sequence)
    WHERE state = 'PENDING';

-- What somebody looks for or asks for again; most are delivered, and found along the primary key.
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (merchant_id, endpoint_id, state, id)
    WHERE state IN ('PENDING', 'FAILED');

CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (bucket, settled_at) WHERE state <> 'PENDING';

GRANT SELECT, INSERT, DELETE,
    UPDATE (state, tries, begun_at, requested_by, due_at, leased_until, response_status, detail, tried_at,
            settled_at)
    ON webhook_deliveries TO payflow_application;

-- Endpoints that have refused everything of late; there is no row of one that takes what it is sent.
CREATE TABLE webhook_refusals (
    merchant_id   text COLLATE "C" NOT NULL,
    endpoint_id   text COLLATE "C" NOT NULL,
    failures      integer     NOT NULL CHECK (failures > 0),
    failing_since timestamptz NOT NULL,
    rests_until   timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, endpoint_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_refusals TO payflow_application;
