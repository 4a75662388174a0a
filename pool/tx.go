package pool

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Begin begins a transaction. Its Commit or Rollback gives the connection back.
func (p *Pool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx begins a transaction with options. The context is that of BEGIN only: if
// it ends later, the transaction goes on. The transaction must end with Commit or
// Rollback, or its connection stays lent.
func (p *Pool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.BeginTx(ctx, options)
	if err != nil {
		c.Release()
		return nil, p.explain(err)
	}
	return &tx{Tx: t, conn: c}, nil
}

// tx is a transaction that has borrowed its connection.
type tx struct {
	pgx.Tx
	conn *pgxpool.Conn // nil when it was given back
}

// Commit commits.
func (t *tx) Commit(ctx context.Context) error {
	defer t.release()
	return t.Tx.Commit(ctx)
}

// Rollback rolls back. After the end it returns pgx.ErrTxClosed.
func (t *tx) Rollback(ctx context.Context) error {
	defer t.release()
	return t.Tx.Rollback(ctx)
}

func (t *tx) release() {
	if t.conn != nil {
		t.conn.Release()
		t.conn = nil
	}
}

// SendBatch sends several statements in one round trip. Closing the results
// gives the connection back, unless the batch begins a transaction: then its
// end does. A batch is not run again.
func (p *Pool) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	c, err := p.Acquire(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	results := c.SendBatch(ctx, b)
	if t := results.Tx(); t != nil {
		return &batchResults{BatchResults: results, pool: p, tx: &tx{Tx: t, conn: c}}
	}
	return &batchResults{BatchResults: results, pool: p, conn: c}
}

// batchResults are the results of a batch on a borrowed connection.
type batchResults struct {
	pgx.BatchResults
	pool *Pool
	conn *pgxpool.Conn // nil when it was given back, or belongs to tx
	tx   *tx
}

// Close reads what is left, and gives the connection back.
func (r *batchResults) Close() error {
	err := r.BatchResults.Close()
	if r.conn != nil {
		r.conn.Release()
		r.conn = nil
	}
	return r.pool.explain(err)
}

// Tx is the transaction that the batch began, or nil.
func (r *batchResults) Tx() pgx.Tx {
	if r.tx == nil {
		return nil
	}
	return r.tx
}
