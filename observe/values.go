package observe

import (
	"slices"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// WithoutValues returns a snapshot whose texts have no values of users. Where smrt or sqlc
// made a text its literals are constants of the program, and stay. In other texts each
// literal becomes a parameter, so that the server can still plan them, and comments are
// left out; texts that are the same then are one shape, whose Texts says how many they were.
// Calls of one name in Others, which may come from several snapshots, are added up too.
func (s Snapshot) WithoutValues() Snapshot {
	type key struct {
		name Name
		text string
	}
	var shapes, others joined[key]
	for _, sh := range s.Shapes {
		if sh.SQL != "" && isRaw(sh.Name) {
			sh.SQL = sqltext.WithoutValues(sh.SQL)
			sh.ID = hashOf(sh.SQL)
		}
		shapes.add(key{sh.Name, sh.SQL}, sh)
	}
	for _, sh := range s.Others {
		others.add(key{sh.Name, ""}, sh)
	}
	s.Shapes, s.Others, s.Findings = shapes.all(), others.all(), slices.Clone(s.Findings)
	for i := range s.Findings {
		if f := &s.Findings[i]; isRaw(f.Name) {
			f.SQL = sqltext.WithoutValues(f.SQL)
		}
	}
	return s
}

// isRaw reports whether a name is that of texts that the program makes, perhaps of what a
// user said.
func isRaw(n Name) bool { return n == Name{} }

// joined are shapes of which those with one key are one.
type joined[K comparable] struct {
	at    map[K]*record
	keys  []K
	first map[K]*Shape
}

// add adds a shape.
func (j *joined[K]) add(k K, sh Shape) {
	if j.at == nil {
		j.at, j.first = map[K]*record{}, map[K]*Shape{}
	}
	r := j.at[k]
	if r == nil {
		r = &record{counts: &counts{}}
		first := sh
		first.Texts, first.MaxOffset = 0, 0
		j.at[k], j.first[k], j.keys = r, &first, append(j.keys, k)
	}
	r.addShape(&sh)
	first := j.first[k]
	first.Texts += sh.Texts
	first.MaxOffset = max(first.MaxOffset, sh.MaxOffset)
}

// all returns what the shapes became, those that took the most time first.
func (j *joined[K]) all() []Shape {
	all := make([]Shape, 0, len(j.keys))
	for _, k := range j.keys {
		first := j.first[k]
		sh := j.at[k].snapshot(first.Name)
		sh.SQL, sh.ID, sh.Texts, sh.MaxOffset = first.SQL, first.ID, first.Texts, first.MaxOffset
		all = append(all, sh)
	}
	slices.SortFunc(all, byTotal)
	return all
}

// addShape adds a copy of a record.
func (r *record) addShape(sh *Shape) {
	r.Stats.addAll(&sh.Stats)
	for state, n := range sh.Errors {
		r.addState(state, n, maxStatesOfName)
	}
	for _, b := range sh.Times.filled {
		r.count(b.which, b.n)
	}
	if sh.Columns != nil {
		r.measured += sh.Rows
	}
	for column, bytes := range sh.Columns {
		r.widths = append(r.widths, width{column, bytes})
	}
}
