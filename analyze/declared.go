package analyze

import (
	"context"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/analysis"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/relation"
	"github.com/smrt-go/smrt/internal/verify"
	"github.com/smrt-go/smrt/schema"
)

// checkDeclarations notes which columns are followed by relations, and looks for what
// only a declaration tells: that rows are deleted softly.
func (r *run) checkDeclarations(ctx context.Context, db DB) error {
	if len(r.options.Declarations) == 0 {
		return nil
	}
	found, err := schema.Verify(ctx, db, r.options.Declarations...) // refuses what is nil
	if err != nil {
		return err
	}
	var tables []*plan.Table
	for _, d := range r.options.Declarations {
		if t := d.Plan(); !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
	}
	names, err := r.resolve(ctx, db, tables)
	if err != nil {
		return err
	}
	r.sites, r.tenants = map[uint32]string{}, map[uint32]string{}
	for _, t := range tables {
		r.sites[names[t.Quoted]] = t.Site
		if t.Tenant != nil {
			r.tenants[names[t.Quoted]] = t.Tenant.Name
		}
		for _, rel := range verify.Relations(t) {
			for _, ends := range verify.ForeignKeys(rel) {
				if s := r.Store(names[ends[0].Table]); s != nil {
					r.Follow(s, ends[0].Columns)
				}
			}
		}
		r.checkSoftDelete(t, names, found)
	}
	return nil
}

// resolve returns the oids of the tables, and of those that their relations lead to, by
// their quoted names.
func (r *run) resolve(ctx context.Context, db DB, tables []*plan.Table) (map[string]uint32, error) {
	var names []string
	for _, t := range tables {
		names = append(names, t.Quoted)
		for _, rel := range verify.Relations(t) {
			for _, end := range []relation.End{rel.From, rel.To, rel.Left, rel.Right} {
				if end.Table != "" {
					names = append(names, end.Table)
				}
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	oids, err := catalog.Names(ctx, db, names)
	if err != nil {
		return nil, err
	}
	byName := map[string]uint32{}
	for i, name := range names {
		byName[name] = oids[i]
	}
	return byName, nil
}

// checkSoftDelete passes on what package schema says of unique indexes beside soft
// deletion.
func (r *run) checkSoftDelete(t *plan.Table, names map[string]uint32, found schema.Findings) {
	s := r.Store(names[t.Quoted])
	for _, f := range found {
		if s == nil || f.Check != schema.CheckSoftDelete || f.Table != verify.Unquoted(t.Quoted) {
			continue
		}
		object := s.Name
		if f.Column != "" {
			object += " (" + f.Column + ")"
		}
		evidence, follows, _ := strings.Cut(f.Problem, ": ")
		r.Found = append(r.Found, analysis.Finding{ID: "C6", Table: s.OID, Level: verify.Level(f.Level), Object: object, Evidence: evidence, Follows: follows, SQL: f.SQL, Go: f.Go})
	}
}

// checkSecurity looks for holes in row security.
func (r *run) checkSecurity(ctx context.Context, db DB) error {
	security, err := catalog.SecurityOf(ctx, db)
	if err == nil {
		r.Security(security, r.tenants)
	}
	return err
}
