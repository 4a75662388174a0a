package table

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// The server names neither the column nor the row of a value that it refuses.
// They are looked for when it has done so, and only then:
//
//	a text is too long        its length is compared with that of the column's type
//	any other                 the values of a column are cast to its type once more, all at
//	                          first, then half of them, until one is left
//	a unique constraint       equal values within the call, then those that the table has
//	a foreign key             those that the other table does not have
//	NOT NULL                  the first row that has none
//
// A transaction that has failed answers no questions; they are asked beside it if
// its pool has a connection to spare, else the error names neither.

// refused are the values of a statement that failed.
type refused struct {
	table   *Table
	ctx     context.Context
	db      smrt.DB
	err     error
	columns []*meta.Column
	n       int // rows
	value   func(column, row int) (any, error)
	one     bool // the call is about one row, which has no number
}

// declaredTypesSQL are the types of columns as they were declared, and how long a
// text may be, 0 for any length.
const declaredTypesSQL = `SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
	CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 0 END
FROM (SELECT $1::text AS name) asked JOIN pg_catalog.pg_attribute a ON a.attrelid = ` + catalog.RelationSQL + ` WHERE a.attnum > 0 AND NOT a.attisdropped`

type declaredType struct {
	name  string
	limit int
}

// ask runs a query of one column on the handle, or beside its transaction.
func (r *refused) ask(sql string, args []any, scan func(scan func(...any) error) error) error {
	var err error
	look := func(ctx context.Context, db smrt.DB) {
		rows, failed := db.Query(ctx, traced.Pass(sql, "", "catalog"), args...)
		if err = failed; err != nil {
			return
		}
		defer rows.Close()
		for rows.Next() {
			if err = scan(rows.Scan); err != nil {
				return
			}
		}
		err = rows.Err()
	}
	if look(r.ctx, r.db); pgerr.IsTxAborted(err) {
		handle.Beside(r.ctx, look)
	}
	return err
}

func (r *refused) declared() map[string]declaredType {
	types := map[string]declaredType{}
	err := r.ask(declaredTypesSQL, []any{r.table.Quoted}, func(scan func(...any) error) error {
		var column string
		var t declaredType
		err := scan(&column, &t.name, &t.limit)
		types[column] = t
		return err
	})
	if err != nil {
		return nil
	}
	return types
}

// explain returns the error with the column and the row of the value that it is
// about, or as it is.
func (r *refused) explain() error {
	if r.ctx == nil || r.ctx.Err() != nil || len(r.columns) == 0 || !pgerr.IsAboutValue(r.err) || pgerr.IsRaised(r.err) {
		return r.err
	}
	types := r.declared()
	for i, col := range r.columns {
		t, ok := types[col.Name]
		if !ok {
			continue
		}
		texts := r.texts(i)
		if texts == nil {
			continue
		}
		var row int
		if pgerr.IsTooLong(r.err) {
			row = slices.IndexFunc(texts, func(s *string) bool { return s != nil && tooLong(*s, t) })
		} else {
			row = r.search(t, texts)
		}
		if row >= 0 {
			return r.blame(col, row)
		}
	}
	return r.err
}

// texts are the values of a column as the server reads them, nil if one has no
// such form.
func (r *refused) texts(column int) []*string {
	texts := make([]*string, r.n)
	for row := range texts {
		v, err := r.value(column, row)
		if err != nil {
			return nil
		}
		s, null, err := meta.Text(v)
		if err != nil {
			return nil
		}
		if !null {
			texts[row] = &s
		}
	}
	return texts
}

// tooLong reports whether a text is longer than its column. Spaces beyond the
// limit are cut off by the server.
func tooLong(s string, t declaredType) bool {
	return t.limit > 0 && utf8.RuneCountInString(strings.TrimRight(s, " ")) > t.limit
}

// search returns the first of the texts that cannot be cast to a type for the same
// reason, or -1.
func (r *refused) search(t declaredType, texts []*string) int {
	from, to := 0, len(texts)
	if !r.fails(t, texts) {
		return -1
	}
	for to-from > 1 {
		if middle := (from + to) / 2; r.fails(t, texts[from:middle]) {
			to = middle
		} else {
			from = middle
		}
	}
	return from
}

func (r *refused) fails(t declaredType, texts []*string) bool {
	err := r.ask("SELECT count(u.v::"+t.name+") FROM unnest($1::text[]) AS u(v)", []any{texts}, func(scan func(...any) error) error {
		var n int
		return scan(&n)
	})
	return pgerr.SameCondition(err, r.err)
}

func (r *refused) blame(col *meta.Column, row int) error {
	if r.one {
		row = -1
	}
	text, sentinel := pgerr.Condition(r.err)
	return &smrt.ValueError{Table: r.table.Name, Column: col.Name, Row: row, Offset: -1, Reason: text, Err: sentinel, Cause: r.err}
}

// blameArgs looks for the argument of a statement that the server refused.
func (t *Table) blameArgs(ctx context.Context, db smrt.DB, err error, args []any, columns []*meta.Column) error {
	known := min(len(args), len(columns))
	values := make([]any, 0, known)
	r := &refused{table: t, ctx: ctx, db: db, err: err, n: 1, one: true}
	for i := range known {
		if columns[i] != nil {
			r.columns, values = append(r.columns, columns[i]), append(values, args[i])
		}
	}
	r.value = func(column, _ int) (any, error) { return values[column], nil }
	return r.explain()
}

// blameRows looks for the row of a bulk call that the server refused.
func (t *Table) blameRows(ctx context.Context, db smrt.DB, err error, rows Rows) error {
	return t.refusedRows(ctx, db, err, rows, t.Writable).explain()
}

func (t *Table) refusedRows(ctx context.Context, db smrt.DB, err error, rows Rows, columns []*meta.Column) *refused {
	r := &refused{table: t, ctx: ctx, db: db, err: err, n: rows.N, columns: columns}
	r.value = func(column, row int) (any, error) { return columns[column].Arg(rows.At(row)) }
	return r
}
