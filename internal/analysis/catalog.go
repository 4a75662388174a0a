package analysis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/verify"
)

// Catalog looks at what the catalog says. It asks the standbys, and nothing else.
func (a *Analysis) Catalog(ctx context.Context) error {
	for i := range a.Foreign {
		a.checkForeignKey(&a.Foreign[i])
	}
	for i := range a.Searches {
		a.checkCovered(&a.Searches[i])
		a.checkValid(&a.Searches[i])
	}
	for i := range a.Counters {
		a.checkCounter(&a.Counters[i])
	}
	for i := range a.Stores {
		a.checkStore(&a.Stores[i])
	}
	for i := range a.Holders {
		a.checkHolder(&a.Holders[i])
	}
	for i := range a.Dated {
		a.checkType(&a.Dated[i])
	}
	for i := range a.Open {
		a.checkUnchecked(&a.Open[i])
	}
	if !a.SeesAll {
		a.unseen("sessions of other roles, which may keep VACUUM from its work: GRANT pg_read_all_stats to the role")
	}
	return a.checkUnused(ctx)
}

// checkForeignKey looks for an index that finds the rows that refer to one. The server
// looks for them whenever such a row is deleted. It is a warning if that deletes or changes
// them, or if loads of the program look for them too; otherwise those rows may be never
// deleted.
func (a *Analysis) checkForeignKey(k *catalog.Reference) {
	s := a.Store(k.Table)
	if k.Indexed {
		return
	}
	f := Finding{
		ID: "C1", Table: k.Table, Object: object(s.Name, k.Quoted), SQL: createIndex(s, strings.Join(k.Quoted, ", ")), columns: k.Quoted,
		Evidence: "the columns of the foreign key " + k.Name + " begin no index",
		Follows:  "a DELETE in " + k.Target + " reads all of " + s.Name,
	}
	switch {
	case a.follows(s, k.Columns):
		f.Level, f.Follows = verify.Warning, f.Follows+", and so does each load of the relation"
	case k.Follows:
		f.Level, f.Follows = verify.Warning, f.Follows+" to find the rows that it deletes or changes there"
	}
	a.add(f)
}

// createIndex returns a statement that creates an index while others write.
func createIndex(s *catalog.Store, keys string) string {
	if s.Kind == catalog.Partitioned {
		return "CREATE INDEX ON " + s.Name + " (" + keys + ")" // which cannot be done concurrently
	}
	return "CREATE INDEX CONCURRENTLY ON " + s.Name + " (" + keys + ")"
}

// object names columns of a table.
func object(table string, quoted []string) string {
	return table + " (" + strings.Join(quoted, ", ") + ")"
}

// checkCovered looks for an index whose searches another one answers. Of two that are the
// same the one is reported that no constraint needs, or the later one by name.
func (a *Analysis) checkCovered(x *catalog.Search) {
	if !x.Valid || x.Needed || x.Partition {
		return
	}
	for i := range a.Searches {
		y := &a.Searches[i]
		if y == x || y.Table != x.Table || !y.Valid || y.Partition || y.Method != x.Method || y.Predicate != x.Predicate || !covers(y, x) {
			continue
		}
		same := covers(x, y)
		if same && !y.Needed && !y.Unique && y.Name > x.Name {
			continue // y will be
		}
		if x.Unique && (!y.Unique || len(y.Keys) > len(x.Keys) || same && !y.Needed && y.Name > x.Name) {
			continue
		}
		f := Finding{
			ID: "C3", Table: x.Table, Level: verify.Warning, Object: x.Name, SQL: "DROP INDEX CONCURRENTLY " + x.Name,
			Evidence: "its keys are the first of " + y.Name,
			Follows:  fmt.Sprintf("each write maintains both, and %s are used twice", bytes(x.Bytes)),
		}
		if same {
			f.Evidence = "it is the same as " + y.Name
		}
		if s := a.Store(x.Table); s.Kind == catalog.Partitioned {
			f.SQL = "DROP INDEX " + x.Name
		} else if s.Pages > 0 && s.Pages < a.Limits.Pages {
			f.Level = verify.Note // of an empty table it is not known what it will be
		}
		a.add(f)
		return
	}
}

// covers reports whether the keys of x are the first of y, which has its other columns
// too. Only a btree is searched by its first keys.
func covers(y, x *catalog.Search) bool {
	if len(y.Keys) < len(x.Keys) || len(y.Keys) > len(x.Keys) && x.Method != "btree" || !slices.Equal(y.Keys[:len(x.Keys)], x.Keys) {
		return false
	}
	return !slices.ContainsFunc(x.Included, func(c string) bool {
		return !slices.Contains(y.Columns, c) && !slices.Contains(y.Included, c)
	})
}

// checkValid looks for what a CREATE INDEX CONCURRENTLY that failed has left behind.
func (a *Analysis) checkValid(x *catalog.Search) {
	if x.Valid || x.Building || x.Partition {
		return
	}
	f := Finding{
		ID: "C4", Table: x.Table, Level: verify.Warning, Object: x.Name, SQL: "REINDEX INDEX CONCURRENTLY " + x.Name,
		Evidence: "it is not complete, and nobody is building it", Follows: "no query uses it, and each write may maintain it",
	}
	if a.Store(x.Table).Kind == catalog.Partitioned {
		f.SQL, f.Evidence = "", "it is not on all partitions yet: attach an index of each"
	}
	a.add(f)
}

// From where on numbers that run out are a finding, and a fault. A change of type takes
// weeks to prepare where a table is large, so three quarters is not early.
const (
	counterUsed   = 0.75
	counterUsedUp = 0.95
)

// checkCounter looks at how much is left of the numbers of a key. What refers to a key may
// have a smaller type, and then fails earlier.
func (a *Analysis) checkCounter(c *catalog.Counter) {
	s := a.Store(c.Table)
	if c.Serial && a.Identity && !c.Refers {
		a.add(Finding{
			ID: "C8", Table: c.Table, Level: verify.Note, Object: object(s.Name, []string{c.Column}),
			Evidence: "it is a serial, and other columns are identities",
			Follows:  "who inserts needs a privilege on the sequence " + c.Sequence + " too, and a copied table asks the same sequence",
		})
	}
	if c.Hidden {
		a.unseen("how far sequences are: GRANT SELECT ON ALL SEQUENCES IN SCHEMA to the role")
	}
	if c.Last == nil {
		return
	}
	used := float64(*c.Last) / float64(c.Most)
	if used < counterUsed {
		return
	}
	f := Finding{
		ID: "C5", Table: c.Table, Level: verify.Warning, Object: object(s.Name, []string{c.Column}),
		Evidence: fmt.Sprintf("the last value of %s is %d, %d %% of the greatest that fits, %d", c.Sequence, *c.Last, int(used*100), c.Most),
		Follows:  "after the greatest no row can be inserted",
	}
	if used >= counterUsedUp {
		f.Level = verify.Fault
	}
	if c.Type != "bigint" {
		f.SQL = "ALTER TABLE " + s.Name + " ALTER COLUMN " + c.Column + " TYPE bigint"
		f.Follows += "; the change of type writes the whole table anew under a lock, so that a new column, filled in batches, is the way for a large one"
	}
	a.add(f)
}

// checkType says what is wrong with a type. Its statement writes the whole table anew;
// the right zone and currency are the user's to know.
func (a *Analysis) checkType(d *catalog.Dated) {
	f := Finding{ID: "C8", Table: d.Table, Level: verify.Warning, Object: object(a.Store(d.Table).Name, []string{d.Column}), Evidence: "its type is " + d.Type}
	change := func(to string) {
		f.SQL = "ALTER TABLE " + a.Store(d.Table).Name + " ALTER COLUMN " + d.Column + " TYPE " + to
	}
	switch d.Type {
	case "timestamp without time zone":
		f.Follows = "it names no instant: what it means depends on who reads it"
		change("timestamptz USING " + d.Column + " AT TIME ZONE 'UTC'")
	case "time with time zone":
		f.Follows = "its zone is an offset without a date, so that nothing can be computed across a change of clocks"
		change("time")
	case "money":
		f.Follows = "its currency and its fraction are settings of the server, and it cannot be told from another one"
		change("numeric(20,2)")
	case "json":
		f.Level, f.Follows = verify.Note, "it has no equality and no index, and is parsed for each access"
		change("jsonb")
	default:
		f.Level, f.Follows = verify.Note, "it is padded with blanks, which comparisons ignore and length and LIKE do not"
		change("text")
	}
	a.add(f)
}

// checkUnchecked looks for constraints that hold for new rows only. NOT VALID is the first
// step of adding one to a table that is in use, and the second is forgotten easily.
func (a *Analysis) checkUnchecked(c *catalog.Unchecked) {
	s := a.Store(c.Table)
	f := Finding{
		ID: "C10", Table: c.Table, Level: verify.Warning, Object: s.Name + " " + c.Name,
		Evidence: c.SQL, Follows: "rows that were there before may break it, and the planner does not rely on it",
		SQL: "ALTER TABLE " + s.Name + " VALIDATE CONSTRAINT " + c.Name,
	}
	if !c.Enforced {
		f.Level, f.SQL, f.Follows = verify.Note, "", "nobody checks it"
	}
	a.add(f)
}

// bytes writes a number of bytes in words.
func bytes(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	size, at := float64(n), 0
	for size >= 1024 && at < len(units)-1 {
		size, at = size/1024, at+1
	}
	return fmt.Sprintf("%.0f %s", size, units[at])
}

// days writes an age in words.
func days(age time.Duration) string {
	if age < 48*time.Hour {
		return age.Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", int(age.Hours()/24))
}

// checkUnused looks for indexes that no server has used. One that keeps values unique, or
// that a constraint needs, is used by each write. All servers must have counted for long
// enough, because a use that was forgotten is none.
func (a *Analysis) checkUnused(ctx context.Context) error {
	age, uses := a.Age, []map[uint32]int64{}
	for _, db := range a.Standbys {
		used, since, err := catalog.Uses(ctx, db)
		if err != nil {
			return fmt.Errorf("a standby: %w", err)
		}
		age, uses = min(age, since), append(uses, used)
	}
	if age < a.Limits.UnusedFor {
		a.unseen(fmt.Sprintf("unused indexes: uses have been counted for too short a time, and %s are needed", days(a.Limits.UnusedFor)))
		return nil
	}
	if a.Standby || a.Replicas > len(a.Standbys) {
		a.unseen("unused indexes: reads of the other servers may use them; name all standbys, and ask the primary")
		return nil
	}
	for i := range a.Searches {
		x := &a.Searches[i]
		scans := x.Scans
		for _, used := range uses {
			scans += used[x.OID]
		}
		if scans > 0 || x.Unique || x.Needed || !x.Valid || x.Partition {
			continue
		}
		a.add(Finding{
			ID: "C2", Table: x.Table, Level: verify.Warning, Object: x.Name, SQL: "DROP INDEX CONCURRENTLY " + x.Name,
			Evidence: fmt.Sprintf("no query has used it for %s on %d servers", days(age), 1+len(a.Standbys)),
			Follows:  fmt.Sprintf("each write maintains it, and %s are used; a job that runs once a month may need it", bytes(x.Bytes)),
		})
	}
	return nil
}
