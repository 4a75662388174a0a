package pool_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// parameters are the settings of the table in the package's documentation that
// end in pgx's settings: a value of each, and what is there then.
var parameters = []struct {
	name, value string
	get         func(*pgxpool.Config) any
	want        any
}{
	{"pool_max_conns", "7", func(c *pgxpool.Config) any { return c.MaxConns }, int32(7)},
	{"pool_min_conns", "1", func(c *pgxpool.Config) any { return c.MinConns }, int32(1)},
	{"pool_min_idle_conns", "3", func(c *pgxpool.Config) any { return c.MinIdleConns }, int32(3)},
	{"pool_ping_timeout", "70ms", func(c *pgxpool.Config) any { return c.PingTimeout }, 70 * time.Millisecond},
	{"pool_max_conn_lifetime", "7m", func(c *pgxpool.Config) any { return c.MaxConnLifetime }, 7 * time.Minute},
	{"pool_max_conn_idle_time", "8m", func(c *pgxpool.Config) any { return c.MaxConnIdleTime }, 8 * time.Minute},
	{"pool_health_check_period", "9s", func(c *pgxpool.Config) any { return c.HealthCheckPeriod }, 9 * time.Second},
}

// TestParameters proves that each parameter of the URL works, in both forms of
// it, and each variable of the environment, and that none reaches the server.
func TestParameters(t *testing.T) {
	keywords := "host=db.invalid user=alice dbname=shop"
	sent := func(url string) map[string]string {
		c := pool.Config{URL: url, Lazy: true, Profile: pool.Test}
		p := check.Value(pool.Open(t.Context(), c))(t)
		defer p.Close()
		return p.Config().ConnConfig.RuntimeParams
	}
	from := func(cfg pool.Config) *pgxpool.Config {
		cfg.Lazy, cfg.Profile = true, pool.Test
		p := check.Value(pool.Open(t.Context(), cfg))(t)
		defer p.Close()
		return p.Config()
	}
	var all []string
	for _, x := range parameters {
		all = append(all, x.name+"="+x.value)
		if x.get(from(pool.Config{URL: nowhere})) == x.want {
			t.Errorf("%s: %v is the default, which proves nothing", x.name, x.want)
		}
		check.Same(t, x.name+" of the URL", x.get(from(pool.Config{URL: nowhere + "?" + x.name + "=" + x.value})), x.want)
		check.Same(t, x.name+" as a keyword", x.get(from(pool.Config{URL: keywords + " " + x.name + "=" + x.value})), x.want)
		t.Setenv("SMRT_"+strings.ToUpper(x.name), x.value)
		check.Same(t, x.name+" of the environment", x.get(from(pool.Config{URL: nowhere})), x.want)
		t.Setenv("SMRT_"+strings.ToUpper(x.name), "")
	}
	own := []string{"pool_profile=test", "pool_acquire_timeout=1s", "pool_queue_target=5ms", "pool_queue_interval=1s", "pool_start_timeout=1s", "pool_mode=direct", "pool_reset=always"}
	for name := range sent(nowhere + "?" + strings.Join(append(own, all...), "&")) {
		if strings.HasPrefix(name, "pool_") {
			t.Errorf("%s would be sent to the server", name)
		}
	}
	jitter := from(pool.Config{URL: nowhere + "?pool_max_conn_lifetime_jitter=1s"}).MaxConnLifetimeJitter
	check.Same(t, "jitter of the URL", jitter, time.Second)
	t.Setenv("PGHOST", "db.invalid")
	check.Same(t, "host of the environment", from(pool.Config{}).ConnConfig.Host, "db.invalid")
}

// TestStats proves what the figures of a pool count.
func TestStats(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 2, MinConns: -1, MaxConnIdleTime: 50 * time.Millisecond, Configure: func(c *pgxpool.Config) {
		c.HealthCheckPeriod = 20 * time.Millisecond
	}})
	before := p.Stats()
	check.Same(t, "Max", before.Max, 2)
	check.Same(t, "MaxOnServer", before.MaxOnServer, 3)
	conn := check.Value(p.Acquire(t.Context()))(t)
	s := p.Stats()
	check.Same(t, "InUse", s.InUse, 1)
	check.Same(t, "Acquires", s.Acquires-before.Acquires, 1)
	check.Same(t, "Dials", s.Dials >= 1, true)
	check.Same(t, "OnServer", s.OnServer >= 1, true)
	check.Same(t, "pgx's count", p.Stat().AcquiredConns(), s.InUse)
	_, err := conn.Exec(t.Context(), "SET application_name = 'left behind'")
	check.NoError(t, err)
	conn.Release()
	wait := func(what string, ok func(pool.Stats) bool) {
		t.Helper()
		for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); !ok(p.Stats()); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", what, p.Stats())
			}
		}
	}
	wait("the session is cleaned", func(s pool.Stats) bool { return s.Reset == before.Reset+1 })
	wait("an idle connection is closed", func(s pool.Stats) bool { return s.Expired > 0 && s.Idle == 0 })
	wait("the server has closed it, too", func(s pool.Stats) bool { return s.OnServer == 0 && s.InUse == 0 && s.Opening == 0 })
	check.Same(t, "Destroyed", p.Stats().Destroyed, 0)
	check.Same(t, "Exhausted", p.Stats().Exhausted, 0)
}

// TestPlacesRunOut proves that a connection is not dialled while the server still
// has as many as it may, and that the figures say so.
func TestPlacesRunOut(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{
		URL: url(t), MaxConns: 1, MinConns: -1, Mode: pool.Direct,
		ConnectTimeout: testdb.Patience(300 * time.Millisecond), AcquireTimeout: testdb.Patience(time.Second), StartTimeout: testdb.Patience(5 * time.Second),
	})
	// The pool forgets a connection that is hijacked, the server does not: two of
	// them take both places.
	for range 2 {
		conn := check.Value(p.Acquire(t.Context()))(t).Hijack()
		defer conn.Close(t.Context())
	}
	before := p.Stats()
	_, err := p.Acquire(t.Context())
	check.Error(t, "no place", err, context.DeadlineExceeded) // of ConnectTimeout
	after := p.Stats()
	check.Same(t, "dials that waited", after.DialsWaited > before.DialsWaited, true)
	check.Same(t, "dials that were refused", after.DialsRefused > before.DialsRefused, true)
	check.Same(t, "connections dialled", after.Dials, before.Dials)
	check.Same(t, "on the server", after.OnServer, after.MaxOnServer)
}

// TestEncoding proves that text is right in a database whose encoding is another
// one, whatever the URL says of it, and that what the encoding does not have is
// refused.
func TestEncoding(t *testing.T) {
	ctx, db := t.Context(), testdb.Pool(t, testdb.Empty)
	name := db.Config().ConnConfig.Database + "_latin"
	check.Value(db.Exec(ctx, "CREATE DATABASE "+name+" ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"))(t)
	t.Cleanup(func() { _, _ = db.Exec(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)") })
	for _, parameter := range []string{"", "&client_encoding=LATIN1"} {
		p := check.Value(pool.Open(ctx, pool.Config{URL: db.Config().ConnString() + parameter, Configure: func(c *pgxpool.Config) {
			c.ConnConfig.Database = name
		}}))(t)
		t.Cleanup(p.Close)
		var text string
		var bytes int
		check.NoError(t, p.QueryRow(ctx, "SELECT $1::text, octet_length($1::text)", "déjà").Scan(&text, &bytes))
		check.Same(t, "text", text, "déjà")
		check.Same(t, "bytes in the server", bytes, 4)
		type word struct{ Text string }
		words := repo.New(p, query.NewKeylessTable[word]("words"))
		check.Value(p.Exec(ctx, "CREATE TABLE IF NOT EXISTS words (text text NOT NULL)"))(t)
		check.NoError(t, words.Create(ctx, &word{"déjà"}))
		check.Same(t, "row", check.Value(words.First(ctx, query.All[word]()))(t).Text, "déjà")
		check.Error(t, "no such character", words.Create(ctx, &word{"€"}), smrt.ErrInvalidText)
		check.Error(t, "no such character", words.CreateMany(ctx, []word{{"a"}, {"€"}}), smrt.ErrInvalidText)
	}
}
