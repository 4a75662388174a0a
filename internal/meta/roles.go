package meta

import (
	"errors"
	"fmt"
)

// role is what an option of a table says of columns.
type role struct {
	name    string
	columns []*Column
}

// roles returns the roles of which a column has one at most. ReadBack goes with any
// of them.
func (t *Table) roles() []role {
	all := []role{{"Computed", t.Computed}, {"Default", t.Defaults}}
	for _, r := range []struct {
		name string
		of   *Column
	}{{"SoftDelete", t.SoftDelete}, {"CreatedAt", t.CreatedAt}, {"UpdatedAt", t.UpdatedAt}, {"Version", t.Version}} {
		if r.of != nil {
			all = append(all, role{r.name, []*Column{r.of}})
		}
	}
	return all
}

// checkRoles refuses roles that contradict each other: which value a write sets
// would depend on the one that is looked at first.
func (t *Table) checkRoles() error {
	has := map[*Column]string{}
	for _, k := range t.Key {
		has[k.Column] = "part of the key"
	}
	if err := t.checkTenant(); err != nil {
		return err
	}
	for _, r := range t.roles() {
		for _, c := range r.columns {
			if c == t.Tenant {
				return fmt.Errorf("column %q says whose row it is and cannot have a role besides, here %s", c.Name, r.name)
			}
			switch first := has[c]; {
			case first == "part of the key" && r.name == "Default":
				return fmt.Errorf("column %q is part of the key: declare it with KeyByDatabase, not as a Default", c.Name)
			case first == "part of the key" && r.name == "Computed":
				return fmt.Errorf("column %q is part of the key and cannot be Computed: rows are found by it once they are written", c.Name)
			case first == "part of the key":
				return fmt.Errorf("column %q is part of the key and cannot have a role besides, here %s", c.Name, r.name)
			case first == r.name:
				return fmt.Errorf("column %q is named twice in %s", c.Name, r.name)
			case first != "":
				return fmt.Errorf("column %q cannot be both %s and %s: each says in its own way who sets it", c.Name, first, r.name)
			}
			has[c] = r.name
		}
	}
	if v := t.Version; v != nil && !v.IsInteger() {
		return fmt.Errorf("version column %q must be an integer", v.Name)
	}
	if t.Version != nil && len(t.Key) == 0 && !t.ReadOnly {
		return errors.New("a version column needs a key")
	}
	if err := t.checkReadOnly(); err != nil {
		return err
	}
	return t.checkRules()
}

// checkTenant refuses a column that cannot say whose row it is.
func (t *Table) checkTenant() error {
	if t.Tenant == nil {
		return nil
	}
	switch t.Tenant.Encode {
	case KindInt16, KindInt32, KindInt64, KindString, KindUUID:
		if !t.Tenant.Ptr {
			return nil
		}
	}
	return fmt.Errorf("tenant column %q must be an integer, a string or a UUID, and no pointer, not %s", t.Tenant.Name, t.Tenant.Type)
}

// checkReadOnly refuses what is said of writes to a table that is only read.
func (t *Table) checkReadOnly() error {
	if !t.ReadOnly {
		return nil
	}
	roles := append(t.roles(), role{"ReadBack", t.ReadBack})
	for _, r := range roles {
		if r.name != "SoftDelete" && len(r.columns) > 0 {
			return fmt.Errorf("a view is only read, and %s is about writes: leave it out, or declare a view that can be written with NewTable", r.name)
		}
	}
	if t.MayLeaveOut {
		return errors.New("a view is only read, and MayLeaveOut is about writes: leave it out")
	}
	return nil
}
