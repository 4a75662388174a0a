package schema

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/relation"
	"github.com/smrt-go/smrt/internal/verify"
)

// Contract is what a program needs of a database, one requirement a line:
//
//	column products.price_cents bigint
//	default products.id
//	foreign key products (category_id) references categories (id)
//	generated products.search
//	insert products
//	label orders.status 'paid'
//	not null products.name
//	null products.deleted_at
//	unique products (id)
//	write products.name
//
// It is meant for a file that is committed beside the program, and is the same
// however often it is made. What the program does not use is not in it, so adding tables,
// columns and indexes changes nothing; nor are lengths and precisions of types. "insert"
// says that no column is without a value when the program creates a row, "write" that a
// column takes one, "null" that it may be NULL, because no rule of the program refuses that. Labels of
// an enum are those that are Valid in Go, if its type has that method. Queries that sqlc compiled are added by [Contract.WithQueries].
//
// Not in it: privileges, and CHECK constraints, unique indexes and triggers that come
// later. The zero Contract needs nothing. A Contract is a value, and safe for
// concurrent use.
type Contract struct {
	needs   catalog.Needs
	queries []neededQuery // sorted
}

// NewContract returns what declarations need, as the database has it. The error is a
// [MismatchError] if [Verify] finds a fault, and a *smrt.QueryError if a relation leads
// to a table that is not among them: its columns would be missing.
func NewContract(ctx context.Context, db smrt.DB, declarations ...Declaration) (Contract, error) {
	tables, uses, err := split(declarations)
	if err == nil {
		err = complete(tables)
	}
	if err != nil {
		return Contract{}, err
	}
	found, err := Verify(ctx, db, declarations...)
	if err == nil {
		err = found.Err()
	}
	if err != nil {
		return Contract{}, err
	}
	has, err := facts(ctx, db, tables)
	if err != nil {
		return Contract{}, err
	}
	wanted := map[string]bool{}
	for _, line := range needsOf(tables, uses, has) {
		wanted[line] = true
	}
	var lines []string
	for _, line := range has {
		if wanted[line] || wanted[beginning(line)] {
			lines = append(lines, line)
		}
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") {
			return Contract{}, &smrt.QueryError{Reason: fmt.Sprintf("schema: a name with a line break cannot be in a contract: %q", line)}
		}
	}
	return contractOf(lines), nil
}

// beginning returns what is wanted of a line whose end the database decides: the type of a
// column, the predicate of an index.
func beginning(line string) string {
	if of := subjectOf(line); strings.HasPrefix(line, "column ") {
		return "column " + of.table + "." + of.column + " "
	}
	list, _, _ := strings.Cut(line, ") where ")
	return list + ") where "
}

// complete returns an error if a relation leads to a table that is not there.
func complete(tables []*plan.Table) error {
	for _, t := range tables {
		for _, r := range verify.Relations(t) {
			for _, end := range []relation.End{r.To, r.Left} {
				if end.Table != "" && !slices.ContainsFunc(tables, func(t *plan.Table) bool { return t.Quoted == end.Table }) {
					return &smrt.QueryError{Reason: "schema: the relation at " + r.Site + " leads to table " + end.Table + ", which is not among the declarations: name it too"}
				}
			}
		}
	}
	return nil
}

// needsOf returns the lines that operations on tables need, of those that a database has
// of them; of one that ends in a space the beginning. That Verify finds no fault says that
// no other is needed: a view, for instance, has no unique index.
func needsOf(tables []*plan.Table, uses []verify.Use, has []string) (lines []string) {
	for _, t := range tables {
		table := name(t.Quoted)
		for _, c := range t.Struct.Columns {
			column := table + "." + name(c.Quoted)
			lines = append(lines, "column "+column+" ")
			if !c.Nullable && t.SoftDelete != c {
				lines = append(lines, "not null "+column)
			} else if !t.ReadOnly && !required(t, c) {
				lines = append(lines, "null "+column)
			}
			lines = append(lines, labels(c, "label "+column+" ", has)...)
			switch {
			case t.ReadOnly:
			case slices.Contains(t.Computed, c):
				lines = append(lines, "default "+column, "generated "+column)
			case t.MadeByServer(c):
				lines = append(lines, "default "+column)
			case slices.Contains(t.Defaults, c):
				lines = append(lines, "default "+column, "write "+column)
			default:
				lines = append(lines, "write "+column)
			}
		}
		if len(t.Key) > 0 {
			lines = append(lines, "unique "+table+" ("+sorted(t.KeyColumns())+")")
		}
		if !t.ReadOnly {
			lines = append(lines, "insert "+table)
		}
		for _, r := range verify.Relations(t) {
			for _, ends := range verify.ForeignKeys(r) {
				lines = append(lines, "foreign key "+name(ends[0].Table)+" ("+join(ends[0].Columns)+") references "+name(ends[1].Table)+" ("+join(ends[1].Columns)+")")
			}
		}
	}
	for _, u := range uses {
		switch c := u.Conflict; {
		case c == nil || len(c.Target) == 0:
		case c.Where == "":
			lines = append(lines, "unique "+name(u.Table.Quoted)+" ("+sorted(c.Target)+")")
		default: // of whatever rows: the server prints the predicate in its own way
			lines = append(lines, "unique "+name(u.Table.Quoted)+" ("+sorted(c.Target)+") where ")
		}
	}
	return lines
}

// required reports whether a rule refuses NULL.
func required(t *plan.Table, c *meta.Column) bool {
	return slices.ContainsFunc(t.Rules, func(r *meta.Rule) bool { return r.Required() && r.Columns[0] == c })
}

// labels returns the lines of labels that the program knows: those of an enum that are
// Valid in Go, so that a label which is added to the database changes no contract.
func labels(c *meta.Column, beginning string, has []string) (lines []string) {
	valid, _ := verify.Valid(c)
	for _, line := range has {
		if label, ok := strings.CutPrefix(line, beginning); ok && valid != nil && valid(strings.ReplaceAll(label[1:len(label)-1], "''", "'")) {
			lines = append(lines, line)
		}
	}
	return lines
}

// ParseContract reads what [Contract.String] wrote. Empty lines, and those that begin
// with #, mean nothing. The error is a *smrt.QueryError that names the line.
func ParseContract(text string) (Contract, error) {
	var lines []string
	var queries []neededQuery
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		q, isQuery := parseQuery(line)
		if !isQuery && !requirement.MatchString(line) || !utf8.ValidString(line) || strings.ContainsAny(line, "\x00\r") {
			return Contract{}, &smrt.QueryError{Reason: fmt.Sprintf(
				"schema: line %d of a contract is not a requirement as NewContract writes them, such as \"column products.id bigint\" or \"unique products (id)\": %q", i+1, line)}
		}
		if isQuery {
			queries = append(queries, q)
		} else {
			lines = append(lines, line)
		}
	}
	c := contractOf(lines)
	c.queries = sortQueries(queries)
	return c, nil
}

// A requirement is a word and the table or column that it is of. The patterns are those
// of names and of lists of names, as contracts have them.
const (
	namePattern  = `(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)`
	tablePattern = `(` + namePattern + `(?:\.` + namePattern + `)?)`
	listPattern  = `\(` + namePattern + `(?:, ` + namePattern + `)*\)`
)

var requirement = regexp.MustCompile(`^(?:(?:column|label) ` + tablePattern + `\.(` + namePattern + `) \S.*|` +
	`(?:default|generated|not null|null|write) ` + tablePattern + `\.(` + namePattern + `)|` +
	`foreign key ` + tablePattern + ` ` + listPattern + ` references ` + tablePattern + ` ` + listPattern + `|` +
	`insert ` + tablePattern + `|` +
	`unique ` + tablePattern + ` ` + listPattern + `(?: where \S.*)?)$`)

// subject is what a requirement is about.
type subject struct {
	table, column string // column is "" if it is of the whole table
	target        string // of a foreign key
}

// subjectOf returns what a line is about, which requirement matches.
func subjectOf(line string) (s subject) {
	m := requirement.FindStringSubmatch(line)
	if m == nil {
		return s // of a server that writes lines otherwise
	}
	s.table, s.column, s.target = cmp.Or(m[1], m[3], m[5], m[7], m[8]), cmp.Or(m[2], m[4]), m[6]
	return s
}

// String returns the contract as text: its lines, sorted bytewise.
func (c Contract) String() string {
	lines := slices.Clone(c.needs.Lines)
	for _, q := range c.queries {
		lines = append(lines, q.line())
	}
	if len(lines) == 0 {
		return ""
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// Check returns a finding for each requirement that the database does not meet, in
// one statement; each query is described and planned, in a few round trips more. It is what
// a release that still runs is checked by after a migration. If there are queries, db begins
// a transaction, or in one a savepoint: pools, connections and transactions do.
func (c Contract) Check(ctx context.Context, db smrt.DB) (Findings, error) {
	found, err := c.checkTables(ctx, db)
	if err != nil {
		return nil, err
	}
	queries, err := c.checkQueries(ctx, db)
	return append(found, queries...), err
}

func (c Contract) checkTables(ctx context.Context, db smrt.DB) (Findings, error) {
	if len(c.needs.Lines) == 0 {
		return nil, nil
	}
	unmet, err := catalog.Unmet(ctx, db, c.needs)
	if err != nil {
		return nil, fmt.Errorf("smrt: schema: %w", err)
	}
	var found Findings
	for _, line := range unmet {
		of := subjectOf(line)
		f := Finding{Check: CheckContract, Level: Fault, Table: of.table, Column: of.column, Problem: "is not as the contract needs it: " + line}
		if of.target != "" || strings.HasPrefix(line, "null ") {
			f.Level = Warning // loads work without a foreign key, and writes of other values than NULL
		}
		found = append(found, f)
	}
	return found, nil
}

// contractOf returns the contract with these lines. What they are about is found once,
// so that a check of many tables does not read thousands of lines again.
func contractOf(lines []string) Contract {
	slices.Sort(lines)
	n := catalog.Needs{Lines: slices.Compact(lines), Tables: []string{}, Columns: []string{}, Written: []string{}}
	for _, line := range n.Lines {
		of := subjectOf(line)
		n.Tables = append(n.Tables, of.table)
		switch {
		case strings.HasPrefix(line, "insert "):
			n.Written = append(n.Written, of.table)
		case strings.HasPrefix(line, "write "):
			n.Columns = append(n.Columns, of.table+"."+of.column)
		case of.target != "":
			n.Tables = append(n.Tables, of.target)
		}
	}
	slices.Sort(n.Tables)
	n.Tables = slices.Compact(n.Tables)
	return Contract{needs: n}
}

// facts returns what the database has of tables and of those that they refer to, as
// lines of a contract.
func facts(ctx context.Context, db smrt.DB, tables []*plan.Table) ([]string, error) {
	asked, columns := []string{}, []string{}
	for _, quoted := range verify.Names(tables) {
		asked = append(asked, name(quoted))
	}
	for _, t := range tables {
		for _, c := range t.Struct.Columns {
			if !slices.Contains(t.Computed, c) {
				columns = append(columns, name(t.Quoted)+"."+name(c.Quoted))
			}
		}
	}
	lines, err := catalog.Facts(ctx, db, asked, columns)
	if err != nil {
		return nil, fmt.Errorf("smrt: schema: %w", err)
	}
	return lines, nil
}

// plain is a name that needs no quotes in a contract. Keywords need none either: which
// words are keywords depends on the version of PostgreSQL.
var plain = regexp.MustCompile(`^"[a-z_][a-z0-9_]*"$`)

// name returns a quoted name without the quotes that it does not need.
func name(quoted string) string {
	parts := strings.SplitAfter(quoted, `".`)
	for i, part := range parts {
		if part, dot := strings.CutSuffix(part, "."); plain.MatchString(part) {
			parts[i] = strings.Trim(part, `"`)
			if dot {
				parts[i] += "."
			}
		}
	}
	return strings.Join(parts, "")
}

func sorted(columns []*meta.Column) string {
	var all []string
	for _, c := range columns {
		all = append(all, name(c.Quoted))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func join(columns []string) string {
	var all []string
	for _, c := range columns {
		all = append(all, name(meta.Quote(c)))
	}
	return strings.Join(all, ", ")
}
