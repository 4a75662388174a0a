-- +goose Up

-- Keys of transactions that are applied once: txn.MarkersSQL. Rows older than a day may be deleted.
CREATE TABLE smrt_txn_markers (
    key        text PRIMARY KEY,
    token      text NOT NULL,
    attempt_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON smrt_txn_markers (attempt_at);
