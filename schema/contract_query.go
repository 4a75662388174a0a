package schema

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/txn"
)

// WithQueries returns the contract with a line for each query in the Go files of a folder,
// which [VerifyQueries] reads too. The line has the text, because a release that
// still runs has no folder where it is checked, and what the server says of it:
//
//	query TagsOf (bigint) -> (bigint not null, text not null) "SELECT t.id, t.name FROM ..."
//
// A query is met by a database that accepts the text, takes and returns these types, and
// in which no column of a table can be NULL that could not before. What the query does not
// name may change, and columns may be renamed if the text is none the worse. Not
// seen are NULLs of expressions, and columns that came later and that an INSERT would
// have to fill: a contract that has the table of the INSERT knows them.
//
// No query is run. They are planned, as [VerifyQueries] does, here and where the contract is
// checked; there a privilege that the role lacks is no finding. The error is a [MismatchError]
// if the server refuses a query, and otherwise that of [VerifyQueries].
func (c Contract) WithQueries(ctx context.Context, db txn.Beginner, folder fs.FS) (Contract, error) {
	queries, err := queriesIn(folder)
	if err != nil {
		return Contract{}, err
	}
	found, err := VerifyQueries(ctx, db, folder)
	if err == nil {
		err = found.Err()
	}
	if err != nil {
		return Contract{}, err
	}
	types, _, err := signatures(ctx, db, queries)
	if err != nil {
		return Contract{}, err
	}
	needed := slices.Clone(c.queries)
	for i, q := range queries {
		_, sql, _ := strings.Cut(q.SQL, "\n") // behind the name, which the line has
		needed = append(needed, neededQuery{q.Name, sql, types[i]})
	}
	c.queries = sortQueries(needed)
	return c, nil
}

// neededQuery is a query that a contract needs.
type neededQuery struct {
	name, sql string
	types     signature
}

// signature has the types of what a query takes and returns. A column is "type not null"
// if it is one of a table, and not null there; an outer join may give NULLs nevertheless.
type signature struct{ arguments, columns []string }

const notNull = " not null"

// line returns the query as a line of a contract.
func (q neededQuery) line() string {
	return "query " + q.name + " (" + strings.Join(q.types.arguments, ", ") + ") -> (" + strings.Join(q.types.columns, ", ") + ") " + strconv.QuoteToASCII(q.sql)
}

// sortQueries sorts queries by their lines, of which it leaves one of each.
func sortQueries(queries []neededQuery) []neededQuery {
	slices.SortFunc(queries, func(a, b neededQuery) int { return strings.Compare(a.line(), b.line()) })
	return slices.CompactFunc(queries, func(a, b neededQuery) bool { return a.line() == b.line() })
}

// A type has a comma or a parenthesis only within quotes.
const (
	typePattern  = `(?:"[^"]*"|[^\s"(),])(?:"[^"]*"|[^"(),])*`
	typesPattern = `\(((?:` + typePattern + `(?:, ` + typePattern + `)*)?)\)`
)

var (
	queryLine = regexp.MustCompile(`^query (\S+) ` + typesPattern + ` -> ` + typesPattern + ` ("(?:[^"\\]|\\.)*")$`)
	oneType   = regexp.MustCompile(typePattern)
)

// parseQuery reads what line wrote, and reports whether it is a query. The text comes
// from a file, and goes to a server as it is: it is never run, and the protocol
// prepares no more than one statement of it. A text with a zero byte would end early
// there, and what follows would be read as another message.
func parseQuery(line string) (q neededQuery, ok bool) {
	m := queryLine.FindStringSubmatch(line)
	if m == nil {
		return q, false
	}
	sql, err := strconv.Unquote(m[4])
	if strings.Contains(sql, "\x00") || !utf8.ValidString(sql) {
		return q, false // no text for a server
	}
	return neededQuery{m[1], sql, signature{oneType.FindAllString(m[2], -1), oneType.FindAllString(m[3], -1)}}, err == nil
}

// checkQueries returns a finding for each query that a database does not do for.
func (c Contract) checkQueries(ctx context.Context, db smrt.DB) (Findings, error) {
	if len(c.queries) == 0 {
		return nil, nil
	}
	beginner, ok := db.(txn.Beginner)
	if !ok {
		return nil, &smrt.QueryError{Reason: fmt.Sprintf("schema: the contract has queries, which are described in a transaction, and a %T begins none", db)}
	}
	queries := make([]sqlc.Query, len(c.queries))
	for i, q := range c.queries {
		queries[i] = sqlc.Query{Name: q.name, SQL: q.sql}
	}
	types, answers, err := signatures(ctx, beginner, queries)
	if err != nil {
		return nil, err
	}
	described := slices.Clone(answers)
	if err := planAll(ctx, beginner, queries, answers); err != nil {
		return nil, err
	}
	var found Findings
	for i, q := range c.queries {
		problem := q.types.unmet(types[i])
		refused := answers[i].refused
		if refused != nil && described[i].refused == nil && pgerr.IsForbidden(refused) {
			refused = nil // the role is that of who migrates, and may have fewer privileges than the release
		}
		if refused != nil {
			problem = sqlc.Refused(q.sql, refused)
		}
		if problem != "" {
			found = append(found, Finding{Check: CheckContract, Level: Fault, Table: q.name, Problem: problem})
		}
	}
	return found, nil
}

// unmet says why a query of other types does not do, "" if it does. Names of columns are
// not compared, as sqlc reads columns by their position. Types must be equal: whether a
// wider one would fit the field is known to the program, which is not there.
func (s signature) unmet(has signature) string {
	switch {
	case !slices.Equal(s.arguments, has.arguments):
		return fmt.Sprintf("takes (%s), where the contract has (%s)", strings.Join(has.arguments, ", "), strings.Join(s.arguments, ", "))
	case len(s.columns) != len(has.columns):
		return fmt.Sprintf("returns %d columns, where the contract has %d", len(has.columns), len(s.columns))
	}
	for i, column := range s.columns {
		if now := has.columns[i]; now != column && now != column+notNull {
			return fmt.Sprintf("returns %s as column %d, where the contract has %s", now, i+1, column)
		}
	}
	return ""
}

// signatures describes queries. Of one that is refused the signature is empty. The types
// of all are named together, in two statements however many queries there are: names,
// because the oids of types that were made in a database are others in the next.
func signatures(ctx context.Context, db txn.Beginner, queries []sqlc.Query) ([]signature, []answer, error) {
	answers, err := ask(ctx, db, queries)
	if err != nil {
		return nil, nil, err
	}
	var oids []uint32
	var origins []catalog.Origin
	for _, a := range answers {
		if a.refused == nil {
			oids = append(oids, a.statement.ParamOIDs...)
			for _, f := range a.statement.Fields {
				oids, origins = append(oids, f.DataTypeOID), append(origins, catalog.Origin{Table: f.TableOID, Number: f.TableAttributeNumber})
			}
		}
	}
	var names []string
	var required []bool
	err = within(ctx, db, func(tx pgx.Tx) (err error) {
		if names, err = catalog.Types(ctx, tx, oids); err == nil {
			required, err = catalog.NotNull(ctx, tx, origins)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	all := make([]signature, len(answers))
	for i, a := range answers {
		if a.refused != nil {
			continue
		}
		n := len(a.statement.ParamOIDs)
		all[i].arguments, names = names[:n:n], names[n:]
		for range a.statement.Fields {
			column := names[0]
			if required[0] {
				column += notNull
			}
			all[i].columns, names, required = append(all[i].columns, column), names[1:], required[1:]
		}
	}
	return all, answers, nil
}
