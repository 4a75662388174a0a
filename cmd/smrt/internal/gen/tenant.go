package gen

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
)

// isTenantField reports whether a field can say whose row it is, as query.Tenant has it.
func isTenantField(c *catalog.Column, t types.Type) bool {
	_, array := t.Underlying().(*types.Array)
	return isInteger(t) || isString(t) || array && c.Base == pgtype.UUIDOID
}

// Where a column is proposed as that of a tenant by how often it stands: in more than
// half of the tables, and in so many.
const leastTenantTables = 3

// noteTenant proposes the column that may say whose row it is. It declares nothing by
// itself: from then on every call needs a tenant. Policies of row security are the best
// sign; without any it is the column named like a reference that most tables have.
func (p *planner) noteTenant() {
	if p.config.Roles.Tenant != nil {
		return
	}
	tables := 0
	stands, policed := map[string]int{}, map[string]int{}
	for _, t := range p.tables {
		if t.view || t.rel.Partition {
			continue
		}
		if p.config.Tables[t.name].Tenant != "" {
			return
		}
		tables++
		for i := range t.structure.fields {
			f := &t.structure.fields[i]
			c := t.rel.Column(f.column)
			alone := len(t.key) == 1 && t.key[0] == f
			if c == nil || alone || !c.NotNull || !isTenantField(c, f.typ) {
				continue
			}
			stands[c.Name]++
			if slices.Contains(t.rel.Policed, c.Name) {
				policed[c.Name]++
			}
		}
	}
	best := ""
	for name, n := range stands {
		likely := policed[name] > 0 || n >= leastTenantTables && 2*n > tables && strings.HasSuffix(name, "_id")
		better := best == "" || policed[name] > policed[best] || policed[name] == policed[best] && (n > stands[best] || n == stands[best] && name < best)
		if likely && better {
			best = name
		}
	}
	if best != "" {
		p.found.note("tenant", "", fmt.Sprintf("column %q stands in %d of %d tables, and policies of %d read it: if it says whose a row is, declare it so, and each "+
			"call is held to the tenant of its context; [] in place of [%s] ends this note", best, stands[best], tables, policed[best], best), lines("["+yamlKey(best)+"]", "roles", "tenant"))
	}
}
