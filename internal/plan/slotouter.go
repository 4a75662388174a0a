package plan

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// A query on the rows that a statement returns is around it:
//
//	SELECT smrt_q.smrt_c1, smrt_q.smrt_c2 FROM (
//		SELECT ... GROUP BY ... ORDER BY ...
//	) AS smrt_q(smrt_c1, smrt_c2) WHERE smrt_q.smrt_c2 > $1 ORDER BY smrt_q.smrt_c2 DESC LIMIT $2
//
// Columns have names by their places, so that it does not matter what the statement
// calls them, and whether two have one name.

// NewResult returns the rows of a statement that are read into t as a table, for fills
// that are Outer. Its columns are known by their places.
func NewResult(t reflect.Type, key []*meta.Column) (*Table, error) {
	s, err := meta.ResultOf(t)
	if err != nil {
		return nil, err
	}
	r := NewTable(&meta.Table{Name: t.String(), Quoted: rowAlias, Struct: s}, 1)
	r.isResult = true
	for _, k := range key {
		c := s.At(k.Offset, k.Type)
		if c == nil || k.Expr != nil {
			return nil, fmt.Errorf("the key of a result has %q, which is no column of %s", k.Name, t)
		}
		r.Key = append(r.Key, meta.KeyPart{Column: k})
	}
	return r, nil
}

// IsResult reports whether t is made by NewResult.
func (t *Table) IsResult() bool { return t.isResult }

// position returns the place of a column of a result, from 1; 0 if it has none.
func (t *Table) position(c *meta.Column) int {
	if at := t.Struct.At(c.Offset, c.Type); at != nil {
		return at.Index + 1
	}
	return 0
}

// resultColumn appends the place of a column of a result.
func (b *builder) resultColumn(c *meta.Column) {
	at := b.table.position(c)
	if at == 0 {
		b.fail(&smrt.QueryError{Reason: fmt.Sprintf("%s has no field that is column %q", b.table.Name, c.Name)})
	}
	b.uvarint(at)
}

// outer puts a query around the statement. What limits the statement limits the query.
func (r *filling) outer(f *Fill, p parts) {
	names := make([]string, len(f.Table.Struct.Columns))
	for i := range names {
		names[i] = "smrt_c" + strconv.Itoa(i+1)
	}
	list := rowAlias + "." + strings.Join(names, ", "+rowAlias+".")
	following := ""
	if f.Page != nil {
		list += r.hidden(f.Page)
		if f.Page.After != nil {
			following = " AND (" + r.text(r.w.node(f.Page.After)) + ")"
		}
	}
	r.head = "SELECT " + list + " FROM ("
	r.tail = "\n) AS " + rowAlias + "(" + strings.Join(names, ", ") + ") WHERE " + p.where + following
	if p.order != "" {
		r.tail += " ORDER BY " + p.order
	}
	if most, ok := r.t.most(); ok && p.limit == "" && !r.count {
		p.limit = strconv.FormatInt(most, 10)
	}
	if p.limit != "" {
		r.tail += " LIMIT " + p.limit
	}
	if !r.count {
		r.put(LimitPlace, "", "", "ALL")
	}
	if f.Page != nil {
		r.turn(f.Page)
	}
}

// checkOuter refuses a query around a statement that has none.
func (f *Fill) checkOuter(t *Template) error {
	if !f.Outer {
		return nil
	}
	reason, limits := "", 0
	for i := range t.Places {
		if p := &t.Places[i]; p.Kind == LimitPlace {
			if limits++; p.From != t.Body.Limit {
				limits++
			}
		}
	}
	switch {
	case f.Alias != "":
		return &smrt.QueryError{Reason: "the rows of a statement have no alias: As is for a table"}
	case t.Write, t.Locks:
		reason = "it writes or locks rows"
	case t.Body.Cut != "":
		reason = t.Body.Cut + ", which would cut off rows before the query sees them"
	case limits > 1:
		reason = "it has a slot for a limit that is not of the outermost SELECT"
	case t.Body.Limit > 0 && limits == 0:
		reason = "its LIMIT would cut off rows before the query sees them: make it a slot, LIMIT 1000 /* smrt:limit */"
	default:
		return nil
	}
	return &smrt.QueryError{Reason: "there is no query on the rows of the statement: " + reason}
}

// checkAround refuses a query on the statement's rows that is not the only one, or that
// hides what another asks for.
func checkAround(fills []Fill, i int) error {
	for j := range fills {
		switch other := &fills[j]; {
		case j == i:
		case other.Outer:
			return &smrt.QueryError{Reason: "two queries are on the rows of the statement: make one of them"}
		case other.Spec.HasLimit:
			return &smrt.QueryError{Reason: fmt.Sprintf("the limit of the query on table %s would cut off rows before the one on the rows of the statement sees them: give it to that", other.Table.Quoted)}
		case len(other.Spec.Order) > 0 && len(fills[i].Spec.Order) > 0:
			return &smrt.QueryError{Reason: fmt.Sprintf("the query on the rows of the statement has an order, so that the one on table %s is lost", other.Table.Quoted)}
		}
	}
	return nil
}

// most returns the greatest limit that all slots of the statement allow, if it has one.
func (t *Template) most() (most int64, ok bool) {
	for i := range t.Places {
		if p := &t.Places[i]; p.Kind == LimitPlace && (!ok || p.Most < most) {
			most, ok = p.Most, true
		}
	}
	return most, ok
}
