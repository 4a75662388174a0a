package gen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
)

// matcher decides which struct is whose.
type matcher struct {
	config  *Config
	found   *findings
	structs []*structure
	owned   map[*structure][]string // tables by the struct that they were given
}

// match returns the struct of a table, nil for none.
func (m *matcher) match(r *catalog.Relation, name string) *structure {
	if want := m.config.Tables[name].Struct; want != "" {
		return m.configured(r, name, want)
	}
	var equal, within []*structure
	for _, s := range m.structs {
		switch missing, spare := m.compare(r, s); {
		case len(missing) == 0 && len(spare) == 0:
			equal = append(equal, s)
		case len(missing) == 0 && mayBeLeft(r, spare):
			within = append(within, s)
		}
	}
	for _, candidates := range [][]*structure{equal, within} {
		if len(candidates) > 1 {
			candidates = slices.DeleteFunc(slices.Clone(candidates), func(s *structure) bool { return !sameName(s.name, name) })
		}
		if len(candidates) == 1 {
			m.owned[candidates[0]] = append(m.owned[candidates[0]], name)
			return candidates[0]
		}
	}
	m.missing(r, name, append(equal, within...))
	return nil
}

func (m *matcher) configured(r *catalog.Relation, name, want string) *structure {
	for _, s := range m.structs {
		if s.name != want {
			continue
		}
		missing, spare := m.compare(r, s)
		if len(missing) > 0 {
			m.found.add("struct", name, fmt.Sprintf("%s has fields for columns that are not there: %s", want, strings.Join(missing, ", ")), "")
			return nil
		}
		if !mayBeLeft(r, spare) {
			m.found.note("struct", name, fmt.Sprintf("%s has no field for a column that must have a value, so that nothing can be created: %s",
				want, strings.Join(spare, ", ")), "")
		}
		return s
	}
	m.found.add("struct", name, fmt.Sprintf("there is no struct %s whose fields are columns", want), lines("Name", "tables", name, "struct"))
	return nil
}

// compare returns the columns of the struct that the table has not, and those of
// the table that the struct has not.
func (m *matcher) compare(r *catalog.Relation, s *structure) (missing, spare []string) {
	for _, f := range s.fields {
		if r.Column(f.column) == nil {
			missing = append(missing, f.column)
		}
	}
	for i := range r.Columns {
		if s.byColumn(r.Columns[i].Name) == nil {
			spare = append(spare, r.Columns[i].Name)
		}
	}
	return missing, spare
}

// mayBeLeft reports whether rows can be inserted without these columns.
func mayBeLeft(r *catalog.Relation, columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool {
		c := r.Column(name)
		return c.NotNull && !c.HasDefault() && c.Generated == ""
	})
}

// missing says that a table has no struct, or several.
func (m *matcher) missing(r *catalog.Relation, name string, candidates []*structure) {
	if len(candidates) > 1 {
		names := make([]string, len(candidates))
		for i, s := range candidates {
			names[i] = s.name
		}
		m.found.add("struct", name, "several structs have its columns, and none is called like it: "+strings.Join(names, ", "),
			lines(names[0], "tables", name, "struct"))
		return
	}
	message := "no struct has its columns"
	for _, s := range m.structs {
		if !sameName(s.name, name) {
			continue
		}
		missing, spare := m.compare(r, s)
		message = fmt.Sprintf("%s has other columns:", s.name)
		if len(missing) > 0 {
			message += " the table has no " + strings.Join(missing, ", ") + ";"
		}
		if len(spare) > 0 {
			message += " the struct has no " + strings.Join(spare, ", ") + ";"
		}
		message = strings.TrimRight(message, ";:")
	}
	m.found.add("struct", name, message+"; without a struct it can only be left out", lines("true", "tables", name, "skip"))
}

// shared finds structs that several tables have: the one that is called like it
// keeps it.
func (m *matcher) shared(given map[string]*structure) {
	for s, tables := range m.owned {
		if len(tables) < 2 {
			continue
		}
		named := slices.DeleteFunc(slices.Clone(tables), func(table string) bool { return !sameName(s.name, table) })
		slices.Sort(tables)
		for _, table := range tables {
			if len(named) == 1 && named[0] == table {
				continue
			}
			delete(given, table)
			m.found.add("struct", table, fmt.Sprintf("the columns are those of %s, as are those of %s", s.name, strings.Join(others(tables, table), ", ")),
				lines(s.name, "tables", table, "struct"))
		}
	}
}

func others(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}
