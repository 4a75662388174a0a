package handletest

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/handle"
)

// Results is a pool that changes the results of writes which return several
// rows. It is safe for concurrent use.
type Results struct {
	*pgxpool.Pool
	change  func(*held)
	changed atomic.Int64
}

// Shuffled returns a pool on which rows come back in any order, as they do from
// an engine that spreads them over nodes.
func Shuffled(p *pgxpool.Pool) *Unordered {
	return &Unordered{Results{Pool: p, change: func(h *held) {
		rand.Shuffle(len(h.rows), func(i, j int) { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] })
	}}}
}

// Unordered is a pool that says that rows come back in any order.
type Unordered struct{ Results }

var _ handle.Unordered = (*Unordered)(nil)

// Unordered implements handle.Unordered.
func (*Unordered) Unordered() {}

// Shortened returns a pool on which one row of several does not come back.
func Shortened(p *pgxpool.Pool) *Results {
	return &Results{Pool: p, change: func(h *held) { h.rows = h.rows[1:] }}
}

// Changed returns how many results were changed.
func (r *Results) Changed() int { return int(r.changed.Load()) }

// Query implements smrt.DB.
func (r *Results) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := r.Pool.Query(ctx, sql, args...)
	return r.hold(rows, sql), err
}

// SendBatch implements smrt.DB.
func (r *Results) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return &batch{BatchResults: r.Pool.SendBatch(ctx, b), of: r, sent: b.QueuedQueries}
}

type batch struct {
	pgx.BatchResults
	of   *Results
	sent []*pgx.QueuedQuery
}

func (b *batch) Exec() (pgconn.CommandTag, error) {
	b.sent = b.sent[1:]
	return b.BatchResults.Exec()
}

func (b *batch) Query() (pgx.Rows, error) {
	sql := b.sent[0].SQL
	b.sent = b.sent[1:]
	rows, err := b.BatchResults.Query()
	return b.of.hold(rows, sql), err
}

// hold reads the rows of a write, and changes them if there are several.
func (r *Results) hold(rows pgx.Rows, sql string) pgx.Rows {
	if strings.HasPrefix(sql, "SELECT") || strings.HasPrefix(sql, "WITH RECURSIVE") {
		return rows
	}
	h := &held{Rows: rows, at: -1}
	for rows.Next() {
		var row [][]byte
		for _, v := range rows.RawValues() {
			row = append(row, slices.Clone(v))
		}
		h.rows = append(h.rows, row)
	}
	if len(h.rows) > 1 {
		r.change(h)
		r.changed.Add(1)
	}
	return h
}

// held is rows that were read.
type held struct {
	pgx.Rows
	rows [][][]byte
	at   int
}

func (h *held) Next() bool {
	h.at++
	return h.at < len(h.rows)
}

func (h *held) RawValues() [][]byte { return h.rows[h.at] }
