package schema

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/verify"
)

// Contract is what a program needs of a database, one requirement a line:
//
//	column products.price_cents bigint
//	default products.id
//	foreign key products (category_id) references categories (id)
//	insert products
//	not null products.name
//	unique products (id)
//
// It is meant for a file that is committed beside the program, and is the same
// however often it is made. Tables, columns and indexes that the program does not use are not in
// it, so adding them changes nothing; nor are lengths and precisions of types.
// "insert" says that no column is without a value when the program creates a row.
//
// The zero Contract needs nothing. A Contract is a value, and safe for concurrent
// use.
type Contract struct{ needs catalog.Needs }

// NewContract returns what declarations need, as the database has it. The error is a
// [MismatchError] if the database lacks something that they need.
func NewContract(ctx context.Context, db smrt.DB, declarations ...Declaration) (Contract, error) {
	tables, uses, err := sort(declarations)
	if err != nil {
		return Contract{}, err
	}
	var wanted []need
	for _, t := range tables {
		wanted = append(wanted, needsOf(t)...)
	}
	for _, u := range uses {
		if u.Conflict != nil && u.Conflict.Where == "" && len(u.Conflict.Target) > 0 {
			wanted = append(wanted, need{u.Table, "unique " + name(u.Table.Quoted) + " (" + sorted(u.Conflict.Target) + ")", u.Site})
		}
	}
	has, err := facts(ctx, db, tables)
	if err != nil {
		return Contract{}, err
	}
	lines, missing := choose(wanted, has)
	lines = append(lines, references(tables, has)...)
	if len(missing) > 0 {
		return Contract{}, &MismatchError{missing}
	}
	return contractOf(lines), nil
}

// references returns the foreign keys of relations that are there: a relation works
// without, but a unit of work orders its writes by them.
func references(tables []*plan.Table, has []string) (lines []string) {
	for _, t := range tables {
		for _, r := range verify.Relations(t) {
			for _, ends := range verify.ForeignKeys(r) {
				line := "foreign key " + name(ends[0].Table) + " (" + join(ends[0].Columns) + ") references " + name(ends[1].Table) + " (" + join(ends[1].Columns) + ")"
				if slices.Contains(has, line) {
					lines = append(lines, line)
				}
			}
		}
	}
	return lines
}

// need is a line that a table needs; one that ends in a space, the beginning of one.
type need struct {
	table *plan.Table
	line  string
	site  string
}

// needsOf returns what operations on a table need.
func needsOf(t *plan.Table) []need {
	var all []need
	add := func(line string) { all = append(all, need{t, line, t.Site}) }
	for _, c := range t.Struct.Columns {
		column := name(t.Quoted) + "." + name(c.Quoted)
		add("column " + column + " ")
		if !t.ReadOnly && !c.Nullable && t.SoftDelete != c {
			add("not null " + column)
		}
		if !t.ReadOnly && (slices.Contains(t.Defaults, c) || t.MadeByServer(c)) {
			add("default " + column)
		}
	}
	if len(t.Key) > 0 {
		add("unique " + name(t.Quoted) + " (" + sorted(t.KeyColumns()) + ")")
	}
	if !t.ReadOnly {
		add("insert " + name(t.Quoted))
	}
	return all
}

// choose returns the facts that are needed, and a finding for each need that is not
// there.
func choose(wanted []need, has []string) (lines []string, missing Findings) {
	for _, w := range wanted {
		at := slices.IndexFunc(has, func(line string) bool {
			return line == w.line || strings.HasSuffix(w.line, " ") && strings.HasPrefix(line, w.line)
		})
		if at < 0 {
			missing = append(missing, Finding{
				Check: CheckContract, Level: Fault, Site: w.site, Table: w.table.Name,
				Problem: "needs " + strings.TrimSpace(w.line) + ", which the database does not have: Verify says what follows",
			})
			continue
		}
		lines = append(lines, has[at])
	}
	return lines, missing
}

// ParseContract reads what [Contract.String] wrote. Empty lines, and those that begin
// with #, mean nothing. The error is a *smrt.QueryError that names the line.
func ParseContract(text string) (Contract, error) {
	var lines []string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !requirement.MatchString(line) {
			return Contract{}, &smrt.QueryError{Reason: fmt.Sprintf(
				"schema: line %d of a contract is not a requirement: it begins with column, default, foreign key, insert, not null or unique and a name: %q", i+1, line)}
		}
		lines = append(lines, line)
	}
	return contractOf(lines), nil
}

// requirement has the table that a line is of, and of a column its name.
var requirement = regexp.MustCompile(`^(column|default|foreign key|insert|not null|unique) ((?:"(?:[^"]|"")+"|[^ ".(]+)(?:\.(?:"(?:[^"]|"")+"|[^ ".(]+))*)(?: .*)?$`)

// lastPart is the column of a name, with the dot before it.
var lastPart = regexp.MustCompile(`\.("(?:[^"]|"")+"|[^".]+)$`)

// String returns the contract as text: its lines, sorted bytewise.
func (c Contract) String() string {
	if len(c.needs.Lines) == 0 {
		return ""
	}
	return strings.Join(c.needs.Lines, "\n") + "\n"
}

// Check returns a finding for each requirement that the database does not meet, in
// one statement. It is what a release that still runs is checked by after a migration.
func (c Contract) Check(ctx context.Context, db smrt.DB) (Findings, error) {
	if len(c.needs.Lines) == 0 {
		return nil, nil
	}
	unmet, err := catalog.Unmet(ctx, db, c.needs)
	if err != nil {
		return nil, fmt.Errorf("smrt: schema: %w", err)
	}
	var found Findings
	for _, line := range unmet {
		found = append(found, Finding{Check: CheckContract, Level: Fault, Table: subjectOf(line), Problem: "needs what the database does not have: " + line})
	}
	return found, nil
}

// contractOf returns the contract with these lines. What they are about is found once,
// so that a check of many tables does not read thousands of lines again.
func contractOf(lines []string) Contract {
	slices.Sort(lines)
	n := catalog.Needs{Lines: slices.Compact(lines), Columns: []string{}, Written: []string{}}
	for _, line := range n.Lines {
		m := requirement.FindStringSubmatch(line)
		switch m[1] {
		case "insert":
			n.Written = append(n.Written, m[2])
		case "column":
			n.Columns = append(n.Columns, m[2])
		case "foreign key":
			_, target, _ := strings.Cut(line, ") references ")
			target, _, _ = strings.Cut(target, " (")
			n.Tables = append(n.Tables, target)
		}
		n.Tables = append(n.Tables, subjectOf(line))
	}
	slices.Sort(n.Tables)
	n.Tables = slices.Compact(n.Tables)
	return Contract{n}
}

// subjectOf returns the table that a line is of.
func subjectOf(line string) string {
	m := requirement.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	if m[1] == "column" || m[1] == "default" || m[1] == "not null" {
		return strings.TrimSuffix(m[2], lastPart.FindString(m[2]))
	}
	return m[2]
}

// facts returns what the database has of tables and of those that they refer to, as
// lines of a contract.
func facts(ctx context.Context, db smrt.DB, tables []*plan.Table) ([]string, error) {
	var asked, columns []string
	for _, quoted := range verify.Names(tables) {
		asked = append(asked, name(quoted))
	}
	for _, t := range tables {
		for _, c := range t.Struct.Columns {
			columns = append(columns, name(t.Quoted)+"."+name(c.Quoted))
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
