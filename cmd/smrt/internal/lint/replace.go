package lint

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
)

// replaced are the names that mean another table or column than before a migration, and since when.
type replaced struct {
	before migrate.Identities
	by     map[migrate.Replacement]*statement

	last migrate.Identities       // behind the last statement
	gone map[[2]string]*statement // names that mean nothing any more, and since when
}

// begin begins a migration.
func (r *replaced) begin(ctx context.Context, conn *pgx.Conn) (err error) {
	r.by = make(map[migrate.Replacement]*statement)
	r.before, err = migrate.ReadIdentities(ctx, conn)
	r.last = r.before
	return err
}

// note compares what names mean after a statement with what they meant.
func (r *replaced) note(ctx context.Context, conn *pgx.Conn, s *statement) error {
	now, err := migrate.ReadIdentities(ctx, conn)
	if err != nil {
		return err
	}
	by := make(map[migrate.Replacement]*statement)
	for _, name := range r.before.Replaced(now) {
		if by[name] = r.by[name]; by[name] == nil {
			by[name] = s
		}
	}
	r.by = by
	for name := range r.last {
		if _, there := now[name]; !there {
			r.gone[name] = s
		}
	}
	maps.DeleteFunc(r.gone, func(name [2]string, _ *statement) bool { _, there := now[name]; return there })
	r.last = now
	return nil
}

// findings are those of a migration that has ended.
func (r *replaced) findings() (findings []Finding) {
	for name, s := range r.by {
		safe := "changes of the table itself, in small steps"
		if name.Column != "" {
			safe = "a column of another name, which the program writes beside the old one, and which is filled in batches; the old one is dropped in a later release"
		}
		findings = append(findings, Finding{
			Rule: Replaced, Name: names[Replaced], File: s.file.path, Line: s.first, Statement: s.text, Table: name.Table, Problem: name.String(), Safe: safe,
		})
	}
	return findings
}
