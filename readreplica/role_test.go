package readreplica_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
)

// openByRole opens a router on three servers of an engine that has no positions
// to compare: the first accepts writes, the others are as the engine has them.
func openByRole(t *testing.T, engine readreplica.Engine, sticky time.Duration) *readreplica.Router {
	t.Helper()
	server := func(pid uint32, role ...string) readreplica.Server {
		f := &fakeServer{version: "15.4", pid: pid, answer: func(sql string) ([]string, error) {
			if strings.Contains(sql, "pg_is_in_recovery") {
				return role, nil
			}
			return nil, nil
		}}
		return readreplica.Server{Name: []string{"", "primary", one, two}[pid], Pool: f.pool(t)}
	}
	r, err := readreplica.Open(t.Context(), readreplica.Config{
		Servers: []readreplica.Server{server(1, "f", "f"), server(2, "t", "t"), server(3, "t", "t")},
		Engine:  engine, Sticky: sticky, TokenSecret: []byte("0123456789abcdef"), Picker: readreplica.RoundRobin(),
	})
	check.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// servedSince returns who has served reads since, in the order of their names.
func servedSince(r *readreplica.Router, before map[string]uint64) string {
	var list []string
	for _, n := range r.Stats().Nodes {
		if n.Reads != before[n.Name] {
			list = append(list, n.Name)
		}
	}
	return strings.Join(list, " ")
}

// replicas returns the servers beside the primary.
func replicas(primary string) string {
	var list []string
	for _, name := range []string{"primary", one, two} {
		if name != primary {
			list = append(list, name)
		}
	}
	return strings.Join(list, " ")
}

// TestSessionsByRole proves what a session reads where positions cannot be
// compared: from the writer for a while after a write, and then from one replica,
// as another one may have less. Where every server has every commit, anywhere.
func TestSessionsByRole(t *testing.T) {
	t.Parallel()
	for engine, want := range map[readreplica.Engine]struct {
		primary    string // if only one server can be
		afterWrite string
		token      bool // there is one after a write
		stays      bool // on one replica
	}{
		readreplica.Aurora:      {"primary", "primary", true, true},
		readreplica.Pooled:      {"primary", "primary", true, true},
		readreplica.CockroachDB: {"", "replicas", false, false},
		readreplica.YugabyteDB:  {"", "replicas", false, false},
	} {
		name := engine.String()
		r := openByRole(t, engine, time.Hour)
		primary := ""
		for _, n := range r.Stats().Nodes {
			if n.Primary {
				primary = n.Name
			}
		}
		if want.primary == "" { // the first that answered, and the others are replicas
			want.primary = primary
		}
		want.afterWrite = strings.ReplaceAll(want.afterWrite, "replicas", replicas(primary))
		few := func(ctx context.Context) string {
			t.Helper()
			before := reads(r)
			for range 4 {
				_, err := r.Reader().Exec(ctx, "SELECT 1")
				check.NoError(t, err)
			}
			return servedSince(r, before)
		}
		check.Same(t, name+": primary", primary, want.primary)
		check.Same(t, name+": without a session", few(t.Context()), replicas(primary))
		check.Same(t, name+": on the primary", few(readreplica.WithPrimary(t.Context())), primary)

		reader := readreplica.WithSession(t.Context())
		served := few(reader)
		check.Same(t, name+": a session stays on "+served, !strings.Contains(served, " "), want.stays)

		writer := readreplica.WithSession(t.Context())
		_, err := r.Exec(writer, "UPDATE t SET n = 1")
		check.NoError(t, err)
		check.Same(t, name+": after a write", few(writer), want.afterWrite)

		token := check.Value(r.Token(writer))(t)
		check.Same(t, name+": token", token != "", want.token)
		resumed := check.Value(r.Resume(t.Context(), token))(t)
		check.Same(t, name+": with the token", few(resumed), want.afterWrite)
	}
}

// TestSessionsLeaveAReplica: one that has not read for Config.Sticky is free to go
// elsewhere. TestSessionsByRole is the control.
func TestSessionsLeaveAReplica(t *testing.T) {
	t.Parallel()
	r := openByRole(t, readreplica.Aurora, 20*time.Millisecond)
	ctx, served := readreplica.WithSession(t.Context()), map[string]bool{}
	eventually(t, "a session that only reads has been on both replicas", 10*time.Second, func() bool {
		before := reads(r)
		_, err := r.Reader().Exec(ctx, "SELECT 1")
		check.NoError(t, err)
		served[servedSince(r, before)] = true
		time.Sleep(25 * time.Millisecond)
		return served[one] && served[two]
	})
}

// TestStickyEnds proves that the writer is left after Config.Sticky, and that the
// time which a token has been on its way counts.
func TestStickyEnds(t *testing.T) {
	t.Parallel()
	r := openByRole(t, readreplica.Aurora, 50*time.Millisecond)
	ctx := readreplica.WithSession(t.Context())
	_, err := r.Exec(ctx, "UPDATE t SET n = 1")
	check.NoError(t, err)
	eventually(t, "a session reads from a replica again", 10*time.Second, func() bool {
		before := reads(r)
		_, err := r.Reader().Exec(ctx, "SELECT 1")
		check.NoError(t, err)
		return servedSince(r, before) != "primary"
	})
	token := check.Value(r.Token(ctx))(t)
	eventually(t, "a token has become old", 20*time.Second, func() bool { // it has seconds, the last of which is left out
		resumed := check.Value(r.Resume(t.Context(), token))(t)
		before := reads(r)
		_, err := r.Reader().Exec(resumed, "SELECT 1")
		check.NoError(t, err)
		return servedSince(r, before) != "primary"
	})
	_, err = r.Resume(t.Context(), token+"x")
	check.Error(t, "another token", err, smrt.ErrBadToken)
}
