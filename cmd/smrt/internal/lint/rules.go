package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// longest is how long a lock may be waited for: as long as that, everybody else
// waits behind.
const longest = 5 * time.Second

// judge applies the rules to the statements of a migration.
type judge struct {
	old      map[uint32]*table
	first    map[uint32]*statement // of the transaction, to lock an old table strongly
	findings []Finding
}

// see judges a statement that has ended.
func (j *judge) see(s *statement) {
	if s.several || !strings.HasPrefix(s.tag, "TRUNCATE") { // whose work is on a table without rows
		j.rewritten(s)
		j.scanned(s)
		j.built(s)
	}
	j.waits(s)
	j.several(s)
	if !j.rows(s) {
		j.changed(s)
	}
	j.unseen(s)
	for _, l := range s.held {
		if l.mode.strong() && j.first[l.table] == nil {
			j.first[l.table] = s
		}
	}
}

// finish ends a transaction.
func (j *judge) finish() { clear(j.first) }

// add adds a finding. The lock is the zero lock if that has no part in it.
func (j *judge) add(rule string, s *statement, l lock, problem, safe string) {
	f := Finding{
		Rule: rule, Name: names[rule], File: s.file.path, Line: s.first, Statement: s.text, Problem: problem, Safe: safe,
	}
	if l.table != 0 {
		f.Table, f.Lock, f.Blocks, f.Waits = j.old[l.table].name, l.mode.String(), l.mode.blocks(), l.mode.waits()
	}
	j.findings = append(j.findings, f)
}

// strongest returns the lock that keeps others out the most, of a table if it has one.
func (s *statement) strongest(of uint32) (strongest lock, ok bool) {
	for _, l := range s.held {
		better := l.mode > strongest.mode && (strongest.table != of || l.table == of)
		if l.mode.strong() && (better || !ok || l.table == of && strongest.table != of) {
			strongest, ok = l, true
		}
	}
	return strongest, ok
}

// worked returns the old tables that the statement did a deed on.
func (s *statement) worked(d deed) (tables []uint32) {
	if d.kind == "validating" {
		if oid, ok := s.foreign[d.name]; ok {
			return []uint32{oid}
		}
		return nil
	}
	for _, l := range s.held {
		if s.names[l.table] == d.name && !slices.Contains(tables, l.table) {
			tables = append(tables, l.table)
		}
	}
	return tables
}

func (j *judge) rewritten(s *statement) {
	for _, oid := range s.renewed {
		if l, ok := s.strongest(oid); ok {
			j.add(Rewrite, s, l, fmt.Sprintf("all rows of %s are written anew, with all its indexes, while it is locked", j.old[oid].name), rewriteAdvice(s.text))
		}
	}
}

// domainAdvice is the safe way for a rule of a domain.
const domainAdvice = "ADD CONSTRAINT ... CHECK (...) NOT VALID, which reads no row and holds for values to come, " +
	"and for the values that are there VALIDATE CONSTRAINT when nobody writes, as it keeps writers out too"

func (j *judge) scanned(s *statement) {
	for _, l := range s.taken { // of the tables that it reads for a domain's rule, of which the server says nothing
		if l.mode == share && s.tag == "ALTER DOMAIN" {
			j.add(Scan, s, l, fmt.Sprintf("all rows of %s are read, which has a column of the domain, while it is locked", j.old[l.table].name), domainAdvice)
		}
	}
	for _, d := range s.deeds {
		if d.kind != "verifying" && d.kind != "validating" {
			continue
		}
		for _, oid := range s.worked(d) {
			l, ok := s.strongest(oid)
			if !ok {
				continue
			}
			problem := fmt.Sprintf("all rows of %s are read while %s is locked", j.old[oid].name, j.old[l.table].name)
			if d.kind == "validating" {
				problem = fmt.Sprintf("each row of %s is looked up for the foreign key %s while %s is locked", j.old[oid].name, d.name, j.old[l.table].name)
			}
			j.add(Scan, s, l, problem, scanAdvice(d, s.text))
		}
	}
}

func (j *judge) built(s *statement) {
	for _, d := range s.deeds {
		if d.kind != "building" {
			continue
		}
		for _, oid := range s.worked(d) {
			if l, ok := s.strongest(oid); ok && !slices.Contains(s.renewed, oid) {
				j.add(Build, s, l, fmt.Sprintf("the index %s is built over all rows of %s while %s is locked", d.of, j.old[oid].name, j.old[l.table].name), buildAdvice(s.text))
			}
		}
	}
}

// waits finds a lock that nothing ends the wait for. Whoever comes later waits
// behind, readers too, so a report that runs for an hour stops a service for one.
func (j *judge) waits(s *statement) {
	if s.timeout > 0 && s.timeout <= longest {
		return
	}
	for _, l := range s.taken {
		if l.mode.strong() && (j.first[l.table] == nil || s.alone) {
			wait := "for as long as it takes: lock_timeout is 0"
			if s.timeout > 0 {
				wait = fmt.Sprintf("for up to %v, the lock_timeout", s.timeout)
			}
			j.add(Timeout, s, l, fmt.Sprintf("the lock of %s is waited for %s, and all who come later wait behind", j.old[l.table].name, wait),
				"SET LOCAL lock_timeout = '2s' as the first statement (SET where there is no transaction), and run the migration again if that was too short")
			return
		}
	}
}

func (j *judge) several(s *statement) {
	for _, l := range s.taken {
		if !l.mode.strong() || j.first[l.table] != nil {
			continue
		}
		var other uint32
		for oid, s := range j.first {
			if other == 0 || s.first < j.first[other].first || s.first == j.first[other].first && oid < other {
				other = oid
			}
		}
		if other != 0 {
			j.add(Tables, s, l, fmt.Sprintf("%s is locked while %s is since line %d: both stay locked until both are done, and a transaction that uses them in another order is a deadlock",
				j.old[l.table].name, j.old[other].name, j.first[other].first), "a migration for each table")
			return
		}
	}
}

// rows reports whether it has found something.
func (j *judge) rows(s *statement) bool {
	block := s.tag == "DO" || s.tag == "CALL" // which has locks for whatever it does, in an order that nobody knows
	if !block && !slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SELECT"}, verb(s.tag)) {
		return false
	}
	for _, l := range s.taken {
		if l.mode != rowExclusive && l.mode != accessShare {
			continue
		}
		locked, held := s.strongest(l.table)
		if !held {
			continue
		}
		if block && (l.mode == accessShare || j.first[locked.table] == nil) {
			continue
		}
		what := "written"
		if l.mode == accessShare {
			what = "read"
		}
		j.add(Rows, s, locked, fmt.Sprintf("rows of %s are %s while %s is locked, for as long as that takes", j.old[l.table].name, what, j.old[locked.table].name),
			"a migration of its own for the rows, in batches if they are many")
		return true
	}
	return false
}

// words are a statement's, in capitals: for advice, never for a judgement.
func words(text string) string {
	var b strings.Builder
	for _, t := range sqltext.Append(nil, text) {
		b.WriteString(" " + strings.ToUpper(t.Text))
	}
	return b.String() + " "
}

func rewriteAdvice(text string) string {
	w := words(text)
	switch {
	case strings.Contains(w, " VACUUM ") || strings.Contains(w, " CLUSTER "):
		return "VACUUM without FULL, or pg_repack"
	case strings.Contains(w, " REFRESH "):
		return "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on the view"
	case strings.Contains(w, " TYPE "):
		return "add a column of the new type, have the program write both, copy in batches, and change the program and drop the old column in later releases"
	case strings.Contains(w, " ADD "):
		return "ADD COLUMN without a default, or with a constant one; SET DEFAULT in another statement for rows to come; fill the others in batches. For GENERATED, have a trigger or the program write a plain column"
	}
	return "a new table or column that is filled in batches, and used by a later release"
}

func scanAdvice(d deed, text string) string {
	w := words(text)
	switch {
	case d.kind == "validating":
		return "ADD CONSTRAINT ... FOREIGN KEY ... NOT VALID, and in another migration VALIDATE CONSTRAINT, which keeps nobody out"
	case strings.Contains(w, " VALIDATE "):
		return "VALIDATE CONSTRAINT in a migration of its own"
	case strings.Contains(w, " ATTACH "):
		return "add the bounds of the partition as CHECK ... NOT VALID, VALIDATE CONSTRAINT in another migration, then ATTACH PARTITION, which reads no row"
	case strings.Contains(w, " NOT NULL ") && strings.Contains(w, " ADD ") && !strings.Contains(w, " CHECK "):
		return "NOT NULL with a constant DEFAULT, which reads no row; without one it fails where there are rows"
	case strings.Contains(w, " NOT NULL ") && !strings.Contains(w, " CHECK "):
		return "ADD CONSTRAINT c CHECK (column IS NOT NULL) NOT VALID, in another migration VALIDATE CONSTRAINT c, in a third SET NOT NULL, which reads no row then, and DROP CONSTRAINT c"
	}
	return "ADD CONSTRAINT ... NOT VALID, and in another migration VALIDATE CONSTRAINT, which keeps nobody out"
}

func buildAdvice(text string) string {
	const concurrently = "CREATE %sINDEX CONCURRENTLY in a migration with -- +goose NO TRANSACTION"
	w := words(text)
	switch {
	case strings.Contains(w, " REINDEX "):
		return "REINDEX ... CONCURRENTLY in a migration with -- +goose NO TRANSACTION"
	case strings.Contains(w, " PRIMARY ") || strings.Contains(w, " UNIQUE ") && strings.Contains(w, " ALTER "):
		return fmt.Sprintf(concurrently, "UNIQUE ") + ", and in another one ADD CONSTRAINT ... USING INDEX"
	case strings.Contains(w, " EXCLUDE "):
		return "nothing builds it without the lock: plan for the time, or have a new table with the constraint"
	}
	return fmt.Sprintf(concurrently, "")
}
