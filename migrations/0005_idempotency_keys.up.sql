-- Callers' idempotency keys: running under a PSP attempt, or done with the response that was given.

CREATE TABLE idempotency_keys (
    merchant_id  text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    bucket       smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    request_hash bytea    NOT NULL CHECK (length(request_hash) = 32),
    command_id   text COLLATE "C" NOT NULL,
    attempt_id   text COLLATE "C" NOT NULL,
    response     bytea,
    completed_at timestamptz,
    expires_at   timestamptz,
    PRIMARY KEY (merchant_id, key),
    CONSTRAINT done_or_running CHECK (
        (response IS NULL) = (completed_at IS NULL) AND (response IS NULL) = (expires_at IS NULL)
        AND (response IS NOT NULL OR attempt_id <> ''))
);

-- Expiry counts from the end; a running key has none.
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (bucket, expires_at) WHERE expires_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO payflow_application;
