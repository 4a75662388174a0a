package unit

import (
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/table"
)

// checkRules refuses values that break rules of their tables. Behind a function, the
// entities are checked when it has run, because it may change them; what patches and
// updates by query assign is known before. Columns that get keys of other rows are
// not checked.
func (u *work) checkRules() error {
	var found table.Violations
	behind := false
	for i, o := range u.ops {
		behind = behind || o.run != nil
		if o.free || o.table == nil || o.table.Checks == nil {
			continue
		}
		rules, row := o.table.Checks, u.base+i
		switch {
		case o.kind == patches:
			rules.AssignTo(&found, row, o.sets)
		case o.kind == updatesWhere:
			rules.AssignTo(&found, row, o.where.request.Sets)
		case behind:
		case o.kind == creates:
			rules.CreateOne(&found, row, o.entity, o.referring())
		case o.kind == updates:
			rules.UpdateOne(&found, row, o.entity, o.referring())
		}
	}
	if err := found.Err(); err != nil {
		return pgerr.Wrap("flush", "unit", err)
	}
	return nil
}

// referring returns the columns that get keys of other rows.
func (o *op) referring() []*meta.Column {
	var columns []*meta.Column
	for _, r := range o.refs {
		columns = append(columns, r.column)
	}
	return columns
}
