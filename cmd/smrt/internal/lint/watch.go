package lint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// table is a table that was there before the migration.
type table struct {
	oid     uint32
	name    string // with the schema if that is not the connection's
	storage uint32 // the file, which is another one once the table was written anew
	view    bool   // materialized: nobody writes it but REFRESH
}

// lock is a lock on such a table.
type lock struct {
	table uint32
	mode  mode
}

// deed is what a message says that the server does.
type deed struct {
	kind string // rewriting, verifying, validating or building
	name string // of the table, or of the constraint that is validated
	of   string // of the index that is built
}

// statement is a statement of a migration, and what was seen of it.
type statement struct {
	file        *file
	text        string
	first, last int    // lines
	tag         string // of the last one, if goose sends several as one
	several     bool
	outside     bool // it began outside of a transaction
	alone       bool // it was a transaction of its own
	deeds       []deed
	held, taken []lock            // on old tables when it ended; those that it was the first to take
	names       map[uint32]string // of old tables that are locked, as they are called now
	renewed     []uint32          // old tables that it wrote anew
	foreign     map[string]uint32 // foreign keys that it validated, and their tables
	changes     []change          // of rows that no index finds
	timeout     time.Duration     // lock_timeout, 0 for none
	outcome     error             // of a try
}

// watcher is what pgx tells of the connection that migrates. It is used by one
// goroutine at a time, that of goose.
type watcher struct {
	ask  *pgx.Conn // for questions, outside of the migration's transaction
	file *file
	old  map[uint32]*table
	see  func(context.Context, *pgx.Conn, *statement)
	end  func() // of a transaction

	current *statement
	held    []lock
	quiet   bool // what happens is ours
	failed  *statement
	err     error // the first of a question
}

var (
	_ pgx.QueryTracer = (*watcher)(nil)

	deeds = regexp.MustCompile(`^(rewriting|verifying) table "(.*)"$|^(validating) foreign key constraint "(.*)"$|^(building) index "(.*?)" on table "(.*?)"(?: serially| with request for .*)?$`)
)

// notice is pgconn's OnNotice.
func (w *watcher) notice(_ *pgconn.PgConn, n *pgconn.Notice) {
	m := deeds.FindStringSubmatch(pgerr.Debug(n))
	if w.quiet || w.current == nil || m == nil {
		return
	}
	switch {
	case m[1] != "":
		w.current.deeds = append(w.current.deeds, deed{kind: m[1], name: m[2]})
	case m[3] != "":
		w.current.deeds = append(w.current.deeds, deed{kind: m[3], name: m[4]})
	default:
		w.current.deeds = append(w.current.deeds, deed{kind: m[5], of: m[6], name: m[7]})
	}
}

// TraceQueryStart finds the statement in its file, and tries it if it is going to be
// a transaction of its own.
func (w *watcher) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if w.quiet || w.file == nil || w.err != nil {
		return ctx
	}
	place, ok := w.file.sent.Next(data.SQL)
	if !ok {
		if !isGoose(data.SQL) {
			w.fail(fmt.Errorf("%s: goose sends what is no statement of the file: %s", w.file.path, short(data.SQL)))
		}
		return ctx
	}
	s := &statement{file: w.file, text: data.SQL, first: place.First, last: place.Last, several: several(data.SQL)}
	s.outside = conn.PgConn().TxStatus() == 'I'
	if s.alone = s.outside; s.alone {
		w.try(ctx, conn, s)
	}
	w.current = s
	return ctx
}

// several reports whether a text has more than one statement.
func several(text string) bool {
	for tokens := sqltext.Append(nil, text); len(tokens) > 0; {
		first, rest := sqltext.Cut(tokens)
		if len(first) > 0 && len(rest) > 0 && !rest[0].IsMark(";") {
			return true
		}
		tokens = rest
	}
	return false
}

// isGoose reports whether goose sends a statement for itself.
func isGoose(text string) bool {
	words := strings.Fields(strings.ToLower(text))
	return len(words) == 0 || strings.Contains(text, versions) || slices.Contains([]string{"begin", "commit", "rollback", ";"}, words[0])
}

// TraceQueryEnd asks what the statement did.
func (w *watcher) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	s := w.current
	if w.quiet || w.file == nil || w.err != nil {
		return
	}
	w.current = nil
	over := conn.PgConn().TxStatus() != 'T'
	if s != nil && data.Err != nil {
		w.failed = s
	} else if s != nil {
		s.tag = data.CommandTag.String()
		s.alone = s.alone && over
		w.look(ctx, conn, s)
		w.see(ctx, conn, s)
	}
	if over {
		w.held = nil
		w.end()
	}
}

// look completes what is known of a statement that has ended.
func (w *watcher) look(ctx context.Context, conn *pgx.Conn, s *statement) {
	if !s.alone {
		w.locks(ctx, conn, s)
	} else {
		if blind(s.outcome) || s.reindexes() {
			w.assume(s)
		}
		w.stored(ctx, s)
		w.details(ctx, conn, s)
	}
	for _, l := range s.held {
		if !slices.Contains(w.held, l) {
			s.taken = append(s.taken, l)
		}
	}
	w.held = s.held
	if strings.Contains(strings.ToLower(s.text), messages) {
		w.own(ctx, conn, "SET client_min_messages = debug1")
	}
	w.whole(ctx, conn, s)
}

// try runs a statement in a transaction that is rolled back, to see its locks. It is
// run by plpgsql, which refuses a COMMIT in it.
func (w *watcher) try(ctx context.Context, conn *pgx.Conn, s *statement) {
	w.own(ctx, conn, "BEGIN")
	w.current = s // whose deeds are those of the try, too
	_, s.outcome = conn.PgConn().Exec(ctx, "DO "+quoted("BEGIN EXECUTE "+quoted(s.text, "smrt_text")+"; END", "smrt_body")).ReadAll()
	if s.outcome == nil {
		w.locks(ctx, conn, s)
	}
	w.own(ctx, conn, "ROLLBACK")
}

// quoted returns a text as a literal.
func quoted(text, tag string) string {
	for strings.Contains(text, "$"+tag+"$") {
		tag += "_"
	}
	return "$" + tag + "$" + text + "$" + tag + "$"
}

// blind reports whether a try has ended without showing the locks. A statement that
// cannot be in a transaction, such as CREATE INDEX CONCURRENTLY, takes no strong
// lock for long.
func blind(outcome error) bool {
	var pg *pgconn.PgError
	return outcome != nil && !(errors.As(outcome, &pg) && pg.Code == "25001")
}

// reindexes reports whether a statement that cannot be tried builds indexes of several
// tables, one after the other, as REINDEX SCHEMA does. Each is locked while its own are
// built, and nothing but the text tells it from what is built concurrently.
func (s *statement) reindexes() bool {
	return s.outcome != nil && s.tag == "REINDEX" && !slices.ContainsFunc(sqltext.Append(nil, s.text), func(t sqltext.Token) bool { return t.Is("concurrently") })
}

// assume takes the strongest lock for granted on tables that were worked on by a
// statement whose locks nobody could see: one that ends transactions itself.
func (w *watcher) assume(s *statement) {
	for oid, t := range w.old {
		if slices.ContainsFunc(s.deeds, func(d deed) bool { return d.name == bare(t.name) }) {
			s.held = append(s.held, lock{oid, accessExclusive})
		}
	}
}

// bare returns a table's name without its schema.
func bare(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// locks reads the locks that the connection holds on old tables, and what else is to
// be known of those.
func (w *watcher) locks(ctx context.Context, conn *pgx.Conn, s *statement) {
	rows, err := w.ask.Query(ctx, locksSQL, conn.PgConn().PID(), w.oids())
	if err != nil {
		w.fail(err)
		return
	}
	s.held, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l lock, err error) {
		var name string
		err = row.Scan(&l.table, &name)
		l.mode = mode(slices.IndexFunc(modes[:], func(m [2]string) bool { return m[0] == name }))
		return l, err
	})
	w.fail(err)
	s.held = slices.DeleteFunc(s.held, func(l lock) bool { return w.old[l.table].view && l.mode < accessExclusive })
	w.details(ctx, conn, s)
}

const locksSQL = `
SELECT relation, mode FROM pg_catalog.pg_locks
WHERE pid = $1 AND locktype = 'relation' AND granted AND relation = ANY ($2)
	AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
ORDER BY relation, mode`

// details asks inside of the transaction, which alone knows what it has renamed. By
// now it has a snapshot, so the question does not end a time at which a migration
// could still choose its isolation.
func (w *watcher) details(ctx context.Context, conn *pgx.Conn, s *statement) {
	if len(s.held) == 0 || s.names != nil {
		return
	}
	var oids, constraints []string
	for _, l := range s.held {
		oids = append(oids, fmt.Sprint(l.table))
	}
	for _, d := range s.deeds {
		if d.kind == "validating" {
			constraints = append(constraints, "'"+strings.ReplaceAll(d.name, "'", "''")+"'")
		}
	}
	in := strings.Join(oids, ", ")
	sql := "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'; " +
		"SELECT oid, relname, relfilenode FROM pg_catalog.pg_class WHERE oid IN (" + in + ")"
	if constraints != nil {
		sql += "; SELECT conname, conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid IN (" + in + ") AND conname IN (" +
			strings.Join(constraints, ", ") + ")"
	}
	results := w.own(ctx, conn, sql)
	if w.err != nil {
		return
	}
	ms, _ := strconv.Atoi(string(results[0].Rows[0][0]))
	s.timeout = time.Duration(ms) * time.Millisecond
	s.names, s.foreign = make(map[uint32]string), make(map[string]uint32)
	for _, row := range results[1].Rows {
		oid, storage := number(row[0]), number(row[2])
		s.names[oid] = string(row[1])
		if !s.alone {
			w.renew(s, oid, storage)
		}
	}
	if constraints != nil {
		for _, row := range results[2].Rows {
			s.foreign[string(row[0])] = number(row[1])
		}
	}
}

// renew notes that a table is in another file than before.
func (w *watcher) renew(s *statement, oid, storage uint32) {
	if t := w.old[oid]; t.storage != storage {
		t.storage = storage
		s.renewed = append(s.renewed, oid)
	}
}

// stored finds the tables that a statement of its own has written anew. Those that
// it has not been seen to lock were locked all the same: VACUUM FULL cannot be tried.
func (w *watcher) stored(ctx context.Context, s *statement) {
	rows, err := w.ask.Query(ctx, "SELECT oid, relfilenode FROM pg_catalog.pg_class WHERE oid = ANY ($1)", w.oids())
	if err != nil {
		w.fail(err)
		return
	}
	var oid, storage uint32
	_, err = pgx.ForEachRow(rows, []any{&oid, &storage}, func() error {
		before := len(s.renewed)
		w.renew(s, oid, storage)
		if len(s.renewed) > before && !slices.ContainsFunc(s.held, func(l lock) bool { return l.table == oid }) {
			s.held = append(s.held, lock{oid, accessExclusive})
		}
		return nil
	})
	w.fail(err)
}

// oids returns those of the old tables.
func (w *watcher) oids() []uint32 { return slices.Collect(maps.Keys(w.old)) }

func number(text []byte) uint32 {
	n, _ := strconv.ParseUint(string(text), 10, 32)
	return uint32(n)
}

// own sends a statement of ours on the connection that migrates.
func (w *watcher) own(ctx context.Context, conn *pgx.Conn, sql string) []*pgconn.Result {
	if w.err != nil {
		return nil
	}
	w.quiet = true
	defer func() { w.quiet = false }()
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	w.fail(err)
	return results
}

// fail keeps the first error of a question.
func (w *watcher) fail(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("asking what a migration did: %w", err)
	}
}
