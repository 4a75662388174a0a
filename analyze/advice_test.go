package analyze_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// documents is a table with 100,000 rows, of which 2 in 100 are not deleted.
const documents = `CREATE TABLE documents (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner bigint NOT NULL, state text NOT NULL, title text NOT NULL, deleted_at timestamptz);
	INSERT INTO documents (owner, state, title, deleted_at) SELECT n % 1000, 'open', repeat('t', 100), CASE WHEN n % 50 > 0 THEN now() END FROM generate_series(1, 100000) n;
	VACUUM (ANALYZE) documents`

// workloads are advised for as a whole. The indexes are by the end of their statements.
var workloads = []struct {
	name     string
	sql      string // of indexes that there are
	replaces []string
	workload analyze.Workload
	indexes  []string
	serves   int    // statements, by the first index
	says     string // of the finding of the first statement
}{
	{
		name: "one index with the columns of another first does for both",
		workload: analyze.Workload{
			{Name: "of", SQL: "SELECT title FROM documents WHERE owner = $1", Calls: 100},
			{Name: "titled", SQL: "SELECT id FROM documents WHERE owner = $1 AND title = $2", Calls: 10},
		},
		indexes: []string{"(owner)"}, serves: 2, says: "1 statements more are faster",
	},
	{
		name: "the order of columns is that which serves both",
		workload: analyze.Workload{
			{Name: "in", SQL: "SELECT title FROM documents WHERE title = $1 AND owner = $2"},
			{Name: "latest", SQL: "SELECT id FROM documents WHERE owner = $1 ORDER BY title LIMIT 5"},
		},
		indexes: []string{"(owner, title)"}, serves: 2,
	},
	{
		// The index of one column is smaller, so it is the first to be chosen; beside the other one nobody needs it.
		name: "an index that a later one makes needless is not advised",
		// An UPDATE would leave dead rows, of which the server may hear at any time, and which are a finding of their own.
		sql: "ALTER TABLE documents ALTER title TYPE text USING repeat('t', 200) || id / 1000; ANALYZE documents",
		workload: analyze.Workload{
			{Name: "of", SQL: "SELECT state FROM documents WHERE owner = $1", Calls: 10_000},
			{Name: "titled", SQL: "SELECT state FROM documents WHERE owner = $1 AND title = $2", Calls: 10},
		},
		indexes: []string{"(owner, title)"}, serves: 2,
	},
	{
		name:     "what is written more often than it is searched has no index",
		workload: analyze.Workload{{Name: "of", SQL: "SELECT title FROM documents WHERE owner = $1", Calls: 10}, {Name: "write", SQL: "INSERT INTO documents (owner, state, title) VALUES ($1, $2, $3)", Calls: 1_000_000, Rows: 1_000_000}},
		says:     "would cost more than it saves: 1000000 rows were written to the table for 10 calls",
	},
	{
		name:     "what is searched more often than it is written has one",
		workload: analyze.Workload{{Name: "of", SQL: "SELECT title FROM documents WHERE owner = $1", Calls: 10_000}, {Name: "write", SQL: "INSERT INTO documents (owner, state, title) VALUES ($1, $2, $3)", Calls: 10_000, Rows: 10_000}},
		indexes:  []string{"(owner)"}, serves: 1,
	},
	{
		name:     "an index of few rows has those only",
		workload: analyze.Workload{{Name: "of", SQL: "SELECT title FROM documents WHERE owner = $1 AND deleted_at IS NULL"}},
		indexes:  []string{"(owner) WHERE deleted_at IS NULL"}, serves: 1,
	},
	{
		name:     "an index of nearly all rows has all",
		workload: analyze.Workload{{Name: "of", SQL: "SELECT title FROM documents WHERE owner = $1 AND deleted_at IS NOT NULL AND state = 'open'"}},
		indexes:  []string{"(owner)"}, serves: 1,
	},
	{
		name: "what it covers is dropped, unless it is needed",
		sql: "CREATE INDEX by_state ON documents (state); CREATE INDEX backwards ON documents (state DESC, title DESC); CREATE UNIQUE INDEX single ON documents (state, title, id); " +
			"CREATE INDEX live ON documents (state) WHERE deleted_at IS NULL",
		workload: analyze.Workload{{Name: "sorted", SQL: "SELECT id FROM documents WHERE state = $1 ORDER BY title, owner, id LIMIT 5"}},
		indexes:  []string{"(state, title, owner, id)"}, serves: 1, replaces: []string{"public.by_state"},
	},
	{
		name:     "where all conditions are the same in each call the index has the rows that meet them",
		workload: analyze.Workload{{Name: "live", SQL: "SELECT title FROM documents WHERE deleted_at IS NULL AND state = 'open' ORDER BY title LIMIT 5"}},
		indexes:  []string{"(deleted_at) WHERE deleted_at IS NULL AND state = 'open'::text"}, serves: 1,
	},
}

// TestAdviceForAll proves indexes for workloads as a whole where hypopg is installed.
func TestAdviceForAll(t *testing.T) {
	t.Parallel()
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			pool := withHypothetical(t)
			if w.sql != "" {
				exec(t, pool, w.sql)
			}
			report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{Workload: w.workload}))(t)
			var ends []string
			for _, x := range report.Indexes {
				_, end, _ := strings.Cut(x.SQL, "documents ")
				ends = append(ends, end)
				for _, s := range x.Serves {
					if s.After > s.Before/2 {
						t.Errorf("%+v", s)
					}
				}
			}
			check.Equal(t, "indexes", ends, w.indexes)
			if len(report.Indexes) > 0 {
				check.Same(t, "statements that it serves", len(report.Indexes[0].Serves), w.serves)
				check.Equal(t, "indexes that it covers", report.Indexes[0].Replaces, append([]string{}, w.replaces...))
			}
			for _, f := range report.Findings {
				if f.ID[0] == 'P' && (f.SQL == "") != (len(w.indexes) == 0) {
					t.Errorf("the finding is %s", f)
				}
			}
			if text := report.Findings[0].Follows; !strings.Contains(text, w.says) {
				t.Errorf("does not say %q: %s", w.says, text)
			}
			checkNothingLeft(t, pool)
		})
	}
}

// withHypothetical has a table of documents and hypopg.
func withHypothetical(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := testdb.Pool(t, testdb.Empty)
	if _, err := pool.Exec(t.Context(), "CREATE EXTENSION hypopg"); err != nil {
		t.Skip("hypopg is not installed: ", err)
	}
	write(t, pool, strings.Split(documents, ";\n")...)
	return pool
}
