package gen

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
)

// role is a role that a column has by its name.
type role struct {
	option string
	key    string   // in the configuration of a table
	of     string   // what the configuration of the table says
	names  []string // of columns that have it in any table
	fits   func(c *catalog.Column, f *field) bool
	needs  string
	ofKey  bool // it may be a part of the key
}

func (p *planner) roles(t *table) []role {
	config, names := p.config.Tables[t.name], p.config.Roles
	or := func(names []string, usual string) []string {
		if names == nil {
			return []string{usual}
		}
		return names
	}
	at := func(c *catalog.Column, f *field) bool { return c.NotNull && isTime(c) && isTimeField(f.typ) }
	return []role{
		{"SoftDelete", "soft_delete", config.SoftDelete, or(names.SoftDelete, "deleted_at"), func(c *catalog.Column, f *field) bool {
			value := pointed(f.typ)
			return !c.NotNull && isTime(c) && (value != nil && isNamed(value, "time", "Time") || value == nil && isTimeField(f.typ) && !isNamed(f.typ, "time", "Time"))
		}, "timestamptz that can be NULL", false},
		{"CreatedAt", "created_at", config.CreatedAt, or(names.CreatedAt, "created_at"), at, "timestamptz NOT NULL", false},
		{"UpdatedAt", "updated_at", config.UpdatedAt, or(names.UpdatedAt, "updated_at"), at, "timestamptz NOT NULL", false},
		{"Version", "version", config.Version, or(names.Version, "version"), func(c *catalog.Column, f *field) bool {
			return c.NotNull && isInteger(f.typ) && slices.Contains([]uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID}, c.Base) && len(t.key) > 0
		}, "an integer NOT NULL in a table with a key", false},
		{"Tenant", "tenant", config.Tenant, names.Tenant, func(c *catalog.Column, f *field) bool {
			return c.NotNull && isTenantField(c, f.typ)
		}, "an integer, a text or a UUID, NOT NULL and in a field that cannot be NULL", true},
	}
}

func isTime(c *catalog.Column) bool { return c.Base == pgtype.TimestamptzOID }

func isTimeField(t types.Type) bool {
	return isNamed(t, "time", "Time") || isNamed(t, pgtypePath, "Timestamptz") || isNamed(t, pgtypePath, "Timestamp")
}

// planRoles gives columns their roles: one each.
func (p *planner) planRoles(t *table) {
	if t.view {
		return
	}
	taken := map[*field]bool{}
	for _, f := range t.key {
		taken[f] = true
	}
	for _, r := range p.roles(t) {
		p.planRole(t, r, taken)
	}
	config := p.config.Tables[t.name]
	var computed, defaults, readBack []*field
	for i := range t.structure.fields {
		f := &t.structure.fields[i]
		c := t.rel.Column(f.column)
		if slices.Contains(config.ReadBack, c.Name) {
			readBack = append(readBack, f)
		}
		switch {
		case taken[f]:
		case c.Generated != "":
			computed = append(computed, f)
		case slices.Contains(config.Default, c.Name) || c.NotNull && c.HasDefault() && zeroIsNoValue(c, f.typ):
			defaults = append(defaults, f)
		}
	}
	for _, o := range []option{{"Default", defaults, true}, {"Computed", computed, true}, {"ReadBack", readBack, true}} {
		if len(o.fields) > 0 {
			t.options = append(t.options, o)
		}
	}
	p.planRules(t, taken, defaults)
	p.noteTriggers(t)
}

// planRole gives a role to the column that has it.
func (p *planner) planRole(t *table, r role, taken map[*field]bool) {
	names := r.names
	if r.of != "" {
		names = []string{r.of}
	}
	for _, name := range names {
		f := t.structure.byColumn(name)
		if f == nil || name == "-" {
			continue
		}
		c := t.rel.Column(name)
		if c.Generated != "" || taken[f] && !(r.ofKey && slices.Contains(t.key, f)) || !r.fits(c, f) {
			p.found.note("role", t.name, fmt.Sprintf("column %q, a %s in the field %s of type %s, is not declared %s, which takes %s",
				name, c.Type, f.path, types.TypeString(f.typ, (*types.Package).Name), r.option, r.needs), lines(`"-"`, "tables", t.name, r.key))
			continue
		}
		taken[f] = true
		t.options = append(t.options, option{r.option, []*field{f}, false})
		return
	}
}

// zeroIsNoValue reports whether the zero of a field cannot be meant where a column
// must have a value. A number, a boolean and a text have zeros that can.
func zeroIsNoValue(c *catalog.Column, t types.Type) bool {
	if holdsNullType(t) || isNamed(t, "time", "Time") || c.Enum != "" && isString(t) {
		return true
	}
	_, array := t.Underlying().(*types.Array)
	return array && c.Base == pgtype.UUIDOID
}

// noteTriggers says which triggers may change what is written.
func (p *planner) noteTriggers(t *table) {
	var names []string
	for _, g := range t.rel.Triggers {
		if g.Before && g.Row && (g.Insert || g.Update) {
			names = append(names, g.Name)
		}
	}
	if len(names) > 0 && p.config.Tables[t.name].ReadBack == nil {
		p.found.note("trigger", t.name, fmt.Sprintf("rows go through %s before they are written: name the columns that this sets, or none as [], so that they are read back",
			strings.Join(names, " and ")), lines("[column]", "tables", t.name, "read_back"))
	}
}
