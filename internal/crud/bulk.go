package crud

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// bulk is a write of many rows. Its statements are parts: one for rows that
// travel as arrays, more if these are many or not alike, or one for each row if
// no array can carry the type of a column. All parts are one batch, which is
// one implicit transaction.
type bulk struct {
	*Bound
	rows    table.Rows
	catalog *table.Catalog
	written *table.Written
}

// part is one statement of a bulk write.
type part struct {
	st   *table.Statement
	args []any
	rows []int // that it writes; nil: all of them
}

// row is the entity that row i of the statement belongs to.
func (p *part) row(i int) int {
	if p.rows != nil {
		return p.rows[i]
	}
	return i
}

// entities are those that the rows of a part are read into.
func (w *bulk) entities(p *part) table.Entities {
	return table.Entities{Rows: w.rows, Chosen: p.rows}
}

// asArrays makes the statements for the chosen rows, all if chosen is nil.
func (w *bulk) asArrays(st *table.Statement, types []table.ArrayType, chosen []int) ([]part, error) {
	var parts []part
	for _, chunk := range w.rows.Chunks(st.Columns, chosen) {
		args, err := table.Arrays(st.Columns, types, w.rows, chunk)
		if err != nil {
			return nil, w.Table.Named(err)
		}
		p := part{st: st, args: args, rows: chunk}
		if p.args, err = w.literals(args, st.Zeros, p.row(0)); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// literals appends columns of one of the rows as arguments by themselves.
func (w *bulk) literals(args []any, columns []*meta.Column, row int) ([]any, error) {
	for _, col := range columns {
		v, err := col.Arg(w.rows.At(row))
		if err != nil {
			return nil, meta.AtRow(w.Table.Named(err), row)
		}
		args = append(args, table.AsLiteral(w.catalog.Columns[col.Name], col, v))
	}
	return args, nil
}

// oneByOne makes a statement for each of the chosen rows, all if chosen is nil.
func (w *bulk) oneByOne(st *table.Statement, chosen []int) ([]part, error) {
	if chosen == nil {
		chosen = table.UpTo(w.rows.N)
	}
	parts := make([]part, len(chosen))
	for j, i := range chosen {
		args, err := w.literals(make([]any, 0, len(st.Columns)), st.Columns, i)
		if err != nil {
			return nil, err
		}
		parts[j] = part{st: st, args: args, rows: chosen[j : j+1]}
	}
	return parts, nil
}

// send runs statements, one by itself, several in one batch, and calls receive
// for each in turn: with its result, or with nil and the rows affected if it
// returns nothing.
func (w *bulk) send(ctx context.Context, parts []part, receive func(int, *table.Result, int64) error) (err error) {
	defer func() {
		w.keepWritten(ctx, w.written, err)
		w.written = nil
	}()
	if len(parts) == 1 {
		return w.receiveOne(parts, 0, receive,
			func() (pgconn.CommandTag, error) { return w.DB.Exec(ctx, parts[0].st.SQL, parts[0].args...) },
			func() (pgx.Rows, error) { return w.DB.Query(ctx, parts[0].st.SQL, parts[0].args...) })
	}
	var batch pgx.Batch
	for _, p := range parts {
		batch.Queue(p.st.SQL, p.args...)
	}
	results := w.DB.SendBatch(ctx, &batch)
	for i := range parts {
		if err := w.receiveOne(parts, i, receive, results.Exec, results.Query); err != nil {
			_ = results.Close() // the first error is the one that counts
			return err
		}
	}
	return results.Close()
}

func (w *bulk) receiveOne(parts []part, i int, receive func(int, *table.Result, int64) error,
	exec func() (pgconn.CommandTag, error), query func() (pgx.Rows, error),
) error {
	st := parts[i].st
	if !st.HasResult() {
		tag, err := exec()
		if err != nil {
			return err
		}
		return receive(i, nil, tag.RowsAffected())
	}
	rs, err := query()
	if err != nil {
		return err
	}
	r := table.Result{Table: w.Table, Rows: rs, Statement: st, Written: w.Table.Written(st)}
	if r.Written != nil {
		r.Written.Earlier, w.written = w.written, r.Written
	}
	return receive(i, &r, 0)
}

// explain forgets what an error says may have changed, and returns the error
// with the row and column that it is about, as far as that can be found out.
func (w *bulk) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	w.Table.ForgetCatalog(w.DB, err)
	err = w.Table.Violators(ctx, w.DB, err, w.rows)
	return w.Table.ExplainRows(ctx, w.DB, err, w.catalog, w.rows)
}
