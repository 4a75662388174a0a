package lint

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// repeated judges a migration without a transaction. If one of its statements fails,
// goose does not record it, so it is run again from its beginning. That is tried.
func repeated(ctx context.Context, conn *pgx.Conn, statements []*statement) (findings []Finding, err error) {
	if !slices.ContainsFunc(statements, func(s *statement) bool { return s.outside }) {
		return nil, nil
	}
	if s := second(statements); s != nil {
		findings = append(findings, notRepeatable(s, "if this statement fails, those before it have been committed, and are run again with it", "a migration for each statement"))
	}
	before, err := relations(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		if isData(s.tag) {
			continue
		}
		if _, err := conn.PgConn().Exec(ctx, s.text).ReadAll(); err != nil {
			findings = append(findings, notRepeatable(s, fmt.Sprintf("it fails when it is run again: %v", err), repeatAdvice))
			if conn.PgConn().TxStatus() != 'I' {
				_, err = conn.PgConn().Exec(ctx, "ROLLBACK").ReadAll()
				return findings, err
			}
			return findings, ctx.Err()
		}
		after, err := relations(ctx, conn)
		if err != nil {
			return nil, err
		}
		if after > before {
			return append(findings, notRepeatable(s, "when it is run again it makes a second one, under another name", "a name for it, and "+repeatAdvice)), nil
		}
	}
	return findings, nil
}

const repeatAdvice = "IF NOT EXISTS or IF EXISTS; for CREATE INDEX CONCURRENTLY, which leaves an invalid index when it fails, DROP INDEX CONCURRENTLY IF EXISTS before it"

func notRepeatable(s *statement, problem, safe string) Finding {
	return Finding{Rule: Repeat, Name: names[Repeat], File: s.file.path, Line: s.first, Statement: s.text, Problem: problem, Safe: safe}
}

// second returns the second of the steps that are committed by themselves, or nil.
// Settings are none, and an index may be dropped before it is made.
func second(statements []*statement) *statement {
	steps := 0
	for _, s := range statements {
		if committed := s.alone || s.tag == "COMMIT"; !committed || !s.several && slices.Contains([]string{"SET", "RESET", "SHOW", "DROP INDEX"}, s.tag) {
			continue
		}
		if steps++; steps == 2 {
			return s
		}
	}
	return nil
}

// isData reports whether a statement changes rows, which are not to be changed twice.
func isData(tag string) bool {
	return slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SELECT", "CALL", "DO"}, verb(tag))
}

// relations counts what there is, without the goose table.
func relations(ctx context.Context, conn *pgx.Conn) (n uint32, err error) {
	results, err := conn.PgConn().Exec(ctx, "SELECT count(*) FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence <> 't'").ReadAll()
	if err != nil {
		return 0, err
	}
	return number(results[0].Rows[0][0]), nil
}
