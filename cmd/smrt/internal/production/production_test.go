package production_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/smrt-go/smrt/cmd/smrt/internal/production"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// sound is a state in which nothing is found.
func sound() *production.State {
	return &production.State{
		Database: "shop", Role: "app", Host: "db.example.com", TLS: true,
		StatementTimeout: time.Minute, LockTimeout: time.Second, IdleTimeout: time.Minute,
		Fsync: true, FullPageWrites: true, SynchronousCommit: true, Autovacuum: true, TrackCounts: true, Checksums: true,
		TrackIOTiming: true, StatStatements: true, PasswordEncryption: "scram-sha-256", Encoding: "UTF8", Archives: true,
		Version: 18_00_01, MaxConnections: 100, Connections: 80, OldestXIDs: 1_000_000_000, OpenFor: time.Hour,
	}
}

// TestEachCheck plants what each check is about.
func TestEachCheck(t *testing.T) {
	t.Parallel()
	check.Equal(t, "found in a sound state", production.Judge(sound()), nil)
	planted := map[string][]func(*production.State){
		"D1":  {func(s *production.State) { s.Fsync = false }, func(s *production.State) { s.FullPageWrites = false }},
		"D2":  {func(s *production.State) { s.SynchronousCommit = false }},
		"D3":  {func(s *production.State) { s.Archives = false }},
		"D4":  {func(s *production.State) { s.Checksums = false }},
		"D5":  {func(s *production.State) { s.Autovacuum = false }, func(s *production.State) { s.TrackCounts = false }},
		"D6":  {func(s *production.State) { s.OldestXIDs++ }},
		"D7":  {func(s *production.State) { s.LostSlots = []string{"old"} }},
		"D8":  {func(s *production.State) { s.CollationChanged = true }},
		"D9":  {func(s *production.State) { s.Encoding = "LATIN1" }},
		"D10": {func(s *production.State) { s.Version = 13_00_22 }, func(s *production.State) { s.Version = 19_00_00 }},
		"D11": {func(s *production.State) { s.Superuser, s.OwnsTables = true, true }, func(s *production.State) { s.BypassesRLS = true }},
		"D12": {func(s *production.State) { s.OwnsTables = true }},
		"D13": {func(s *production.State) { s.PublicCreates = true }},
		"D14": {func(s *production.State) { s.TLS = false }, func(s *production.State) { s.TLS, s.Host = false, "10.0.0.1" }},
		"D15": {func(s *production.State) { s.PasswordEncryption = "md5" }},
		"D16": {func(s *production.State) { s.StatementTimeout = 0 }},
		"D17": {func(s *production.State) { s.IdleTimeout = 0 }},
		"D18": {func(s *production.State) { s.LockTimeout = 0 }},
		"D19": {func(s *production.State) { s.Connections++ }},
		"D20": {func(s *production.State) { s.OpenFor += time.Second }},
		"D21": {func(s *production.State) { s.StatStatements = false }},
		"D22": {func(s *production.State) { s.TrackIOTiming = false }},
	}
	for _, id := range production.Checks() {
		if len(planted[id]) == 0 {
			t.Errorf("nothing is planted for %s", id)
		}
		for i, plant := range planted[id] {
			s := sound()
			plant(s)
			found := production.Judge(s)
			if len(found) != 1 || found[0].Check != id || found[0].Problem == "" {
				t.Errorf("%s, plant %d: %+v", id, i, found)
			}
		}
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "/var/run/postgresql", "@abstract"} {
		s := sound()
		s.TLS, s.Host = false, host
		check.Equal(t, "not encrypted to "+host, production.Judge(s), nil)
	}
}

// TestRead reads the state of a real server, as a role that may do nothing else, before and after
// the statements that findings name.
func TestRead(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := testdb.Pool(t, testdb.SQL("production", `CREATE TABLE notes (id int PRIMARY KEY)`), testdb.Direct())
	read := func(user string) (*production.State, []string) {
		t.Helper()
		cfg := pool.Config().ConnConfig
		dsn := fmt.Sprintf("host=%s port=%d dbname=%s user=%s", cfg.Host, cfg.Port, cfg.Database, cmp.Or(user, cfg.User))
		s := check.Value(production.Read(ctx, dsn))(t)
		var ids []string
		for _, f := range production.Judge(s) {
			ids = append(ids, f.Check)
		}
		return s, ids
	}
	mine, _ := read("")
	check.Same(t, "the owner owns", mine.OwnsTables, true)
	if !mine.Superuser {
		t.Skip("the role may not create roles")
	}
	role := fmt.Sprintf("smrt_app_%d", os.Getpid())
	check.Value(pool.Exec(ctx, "CREATE ROLE "+role+" LOGIN"))(t)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		check.Value(pool.Exec(ctx, "DROP OWNED BY "+role+"; DROP ROLE "+role))(t)
	})
	s, ids := read(role)
	check.Same(t, "role", s.Role, role)
	check.Same(t, "rights", s.Superuser || s.OwnsTables || s.BypassesRLS, false)
	for _, id := range []string{"D16", "D17", "D18"} {
		check.Same(t, id+" is found", slices.Contains(ids, id), true)
	}
	for _, f := range production.Judge(s) {
		if slices.Contains([]string{"D13", "D16", "D17", "D18"}, f.Check) {
			check.Value(pool.Exec(ctx, f.SQL))(t)
		}
	}
	s, ids = read(role)
	check.Equal(t, "timeouts", []time.Duration{s.StatementTimeout, s.IdleTimeout, s.LockTimeout}, []time.Duration{30 * time.Second, time.Minute, 5 * time.Second})
	for _, id := range []string{"D11", "D12", "D13", "D14", "D16", "D17", "D18", "D20"} {
		check.Same(t, id+" is found", slices.Contains(ids, id), false)
	}
	// A transaction that is open is seen, at least by its own role.
	held := check.Value(pool.Begin(ctx))(t)
	check.Value(held.Exec(ctx, "SELECT 1"))(t)
	s, _ = read("")
	check.Same(t, "something is open", s.OpenFor > 0, true)
	check.NoError(t, held.Rollback(ctx))
	check.Value(pool.Exec(ctx, "GRANT CREATE ON SCHEMA public TO PUBLIC"))(t)
	s, _ = read(role)
	check.Same(t, "everybody may create", s.PublicCreates, true)
	var fsync bool
	check.NoError(t, pool.QueryRow(ctx, "SELECT current_setting('fsync')::boolean").Scan(&fsync))
	check.Same(t, "fsync", s.Fsync, fsync)
}

// TestGuideHasAllChecks compares the list with the guide.
func TestGuideHasAllChecks(t *testing.T) {
	t.Parallel()
	text := check.Value(os.ReadFile("../../../../docs/guides/production.md"))(t)
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^- \[ \] .*\((D\d+)\)$`).FindAllSubmatch(text, -1) {
		listed = append(listed, string(m[1]))
	}
	slices.Sort(listed)
	want := production.Checks()
	slices.Sort(want)
	check.Equal(t, "checks in the guide", listed, want)
}
