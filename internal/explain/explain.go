// Package explain asks a server what a statement is and how it would be run, without
// running it.
package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Statement is what the server says of a statement.
type Statement struct {
	Arguments []string // types, of $1 first
	Columns   []Column
	Plan      string // for whatever arguments: as text, or as JSON
}

// Column is a column of the result.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ErrNoPlan is the error of a statement that EXPLAIN does not take.
var ErrNoPlan = errors.New("it is no SELECT, INSERT, UPDATE, DELETE or MERGE")

// Explain describes and plans a statement, whose parameters are $1 and so on. Writes are
// planned too. It is done in a transaction that is read-only and rolled back. The error is
// a *pgconn.PgError if the server refuses the statement, and [ErrNoPlan] if it has none.
func Explain(ctx context.Context, conn *pgx.Conn, sql string, asJSON bool) (s Statement, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }()
	p, err := Start(ctx, tx)
	if err != nil {
		return s, err
	}
	// The protocol prepares one statement and no more, so that below none can follow
	// the EXPLAIN.
	described, err := tx.Prepare(ctx, "", sql)
	if err != nil {
		return s, err
	}
	oids := append([]uint32(nil), described.ParamOIDs...)
	for _, f := range described.Fields {
		oids = append(oids, f.DataTypeOID)
	}
	names, err := catalog.Types(ctx, tx, oids)
	if err != nil {
		return s, err
	}
	s.Arguments = append([]string{}, names[:len(described.ParamOIDs)]...)
	s.Columns = make([]Column, len(described.Fields))
	for i, f := range described.Fields {
		s.Columns[i] = Column{f.Name, names[len(described.ParamOIDs)+i]}
	}
	s.Plan, err = p.Plan(ctx, sql, described.ParamOIDs, asJSON)
	return s, err
}

// Planner plans statements in a transaction. All that it does ends with that.
type Planner struct {
	tx      pgx.Tx
	generic bool
}

// versionOfGeneric is the first version whose EXPLAIN takes parameters without values.
const versionOfGeneric = 16_00_00

// Start returns a planner. It makes the transaction read-only, because the server may call
// functions while it plans, which are declared not to write and may do so nevertheless.
// The transaction, which may be a savepoint, must be one with a Conn.
func Start(ctx context.Context, tx pgx.Tx) (Planner, error) {
	p, version := Planner{tx: tx}, 0
	err := tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::int WHERE set_config('transaction_read_only', 'on', true) IS NOT NULL", pgx.QueryExecModeExec).Scan(&version)
	p.generic = version >= versionOfGeneric
	return p, err
}

// ForRuns returns a planner for [Planner.Run], which leaves the transaction one that may
// write.
func ForRuns(tx pgx.Tx) Planner { return Planner{tx: tx} }

// Tx returns the transaction.
func (p Planner) Tx() pgx.Tx { return p.tx }

// Plan returns the plan that the server keeps for a statement with parameters of these
// types when it does not know their values. The statement must be one that the server has
// prepared, which says that it is a single one. After an error the transaction has failed.
func (p Planner) Plan(ctx context.Context, sql string, parameters []uint32, asJSON bool) (string, error) {
	format := "FORMAT TEXT"
	if asJSON {
		format = "FORMAT JSON"
	}
	return p.generically(ctx, sql, parameters, format)
}

func (p Planner) generically(ctx context.Context, sql string, parameters []uint32, options string) (string, error) {
	if p.generic {
		return after(ctx, p.tx, "EXPLAIN (GENERIC_PLAN, "+options+") ", sql)
	}
	// The values do not matter. A plan for them would be one that reads nothing, because
	// what is compared with NULL is true for no row.
	values := make([]string, len(parameters))
	for i := range values {
		values[i] = "NULL"
	}
	return p.execute(ctx, sql, parameters, asked{options, "force_generic_plan", values})
}

// asked says how a statement is explained.
type asked struct {
	options string   // of EXPLAIN
	mode    string   // plan_cache_mode
	values  []string // of the parameters, as SQL
}

// execute explains a statement with values.
func (p Planner) execute(ctx context.Context, sql string, parameters []uint32, a asked) (string, error) {
	tx := p.tx
	types, err := catalog.Types(ctx, tx, parameters)
	if err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, "SET LOCAL plan_cache_mode = "+a.mode); err != nil {
		return "", err
	}
	prepare, execute := "PREPARE smrt_explain", "EXPLAIN ("+a.options+") EXECUTE smrt_explain"
	if len(types) > 0 { // named, because NULL is no value of a domain that is not null
		prepare += " (" + strings.Join(types, ", ") + ")"
		execute += " (" + strings.Join(a.values, ", ") + ")"
	}
	if _, err := after(ctx, tx, prepare+" AS ", sql); err != nil {
		return "", err
	}
	// A prepared statement outlives the transaction, and behind a pooler the connection
	// too. After an error it can be dropped only where the savepoint is rolled back.
	inner, err := tx.Begin(ctx)
	if err != nil {
		return "", err
	}
	text, err := after(ctx, inner, execute, "")
	if err := inner.Rollback(ctx); err != nil {
		return "", err
	}
	_, dropped := tx.Exec(ctx, "DEALLOCATE smrt_explain")
	return text, errors.Join(err, dropped)
}

// after sends a statement behind a prefix, and returns the rows as lines. The simple
// protocol is what takes parameters that have no values.
func after(ctx context.Context, tx pgx.Tx, prefix, sql string) (string, error) {
	results, err := tx.Conn().PgConn().Exec(ctx, prefix+sql).ReadAll()
	var refused *pgconn.PgError
	switch {
	case pgerr.IsSyntax(err): // by itself it was parsed
		return "", ErrNoPlan
	case errors.As(err, &refused):
		c := *refused
		c.Position = 0 // it counts from the prefix
		return "", &c
	case err != nil:
		return "", err
	}
	if len(results) != 1 {
		return "", fmt.Errorf("%d results of one statement", len(results))
	}
	var lines []string
	for _, row := range results[0].Rows {
		lines = append(lines, string(row[0]))
	}
	return strings.Join(lines, "\n"), nil
}
