package load

import (
	"fmt"
	"slices"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// side is a table with the columns in which it is tied to another.
type side struct {
	table   *plan.Table
	columns []*meta.Column
}

// tenant returns at which place the column of the tenant is, -1 for none.
func (s side) tenant() int { return slices.Index(s.columns, s.table.Tenant) }

// checkTenants refuses a link between tables with tenants that ties the tenant to
// another column: where it is a part of the key, keys are unique within one only.
func (l *Link) checkTenants() error {
	outer, inner := side{l.parents, columnsOf(l.Outer)}, side{l.Child, columnsOf(l.Inner)}
	if l.Via == nil {
		return checkSides(outer, inner)
	}
	if err := checkSides(outer, side{l.Via.Table, columnsOf(l.Via.Left)}); err != nil {
		return err
	}
	return checkSides(side{l.Via.Table, columnsOf(l.Via.Right)}, inner)
}

func checkSides(a, b side) error {
	if a.table.Tenant == nil || b.table.Tenant == nil || a.tenant() == b.tenant() { // -1: the keys are unique among all
		return nil
	}
	return fmt.Errorf("tables %s and %s have tenants, and their rows must be tied by both columns, %s and %s: else a row may lead to one of another tenant",
		a.table.Name, b.table.Name, a.table.Tenant.Name, b.table.Tenant.Name)
}
