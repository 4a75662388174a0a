package pool_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// nowhere is the URL of a server that does not exist.
const nowhere = "postgres://alice:hunter2@db.invalid:5432/shop"

// settled opens a pool without dialling and returns pgx's settings of it.
func settled(t *testing.T, cfg pool.Config) *pgxpool.Config {
	t.Helper()
	cfg.Lazy = true
	if cfg.MinConns == 0 {
		cfg.MinConns = -1
	}
	return open(t, cfg).Config()
}

// A field wins over the URL, the URL over the environment, the environment over
// the profile.
func TestOrderOfSettings(t *testing.T) {
	of := func(cfg pool.Config) int32 { return settled(t, cfg).MaxConns }
	check.Same(t, "profile", of(pool.Config{URL: nowhere, Profile: pool.Serverless}), 2)
	t.Setenv("SMRT_POOL_MAX_CONNS", "7")
	check.Same(t, "environment", of(pool.Config{URL: nowhere}), 7)
	withURL := nowhere + "?pool_max_conns=8"
	check.Same(t, "URL", of(pool.Config{URL: withURL}), 8)
	check.Same(t, "field", of(pool.Config{URL: withURL, MaxConns: 9}), 9)

	t.Setenv("SMRT_POOL_CONNECT_TIMEOUT", "7s")
	timeout := func(cfg pool.Config) time.Duration { return settled(t, cfg).ConnConfig.ConnectTimeout }
	check.Same(t, "environment", timeout(pool.Config{URL: nowhere}), 7*time.Second)
	check.Same(t, "URL", timeout(pool.Config{URL: nowhere + "?connect_timeout=8"}), 8*time.Second)
	check.Same(t, "field", timeout(pool.Config{URL: nowhere + "?connect_timeout=8", ConnectTimeout: 9 * time.Second}), 9*time.Second)

	t.Setenv("SMRT_POOL_APPLICATION_NAME", "env")
	name := func(cfg pool.Config) string { return settled(t, cfg).ConnConfig.RuntimeParams["application_name"] }
	check.Same(t, "environment", name(pool.Config{URL: nowhere}), "env")
	check.Same(t, "URL", name(pool.Config{URL: nowhere + "?application_name=url"}), "url")
	check.Same(t, "field", name(pool.Config{URL: nowhere, ApplicationName: "field"}), "field")
	t.Setenv("SMRT_POOL_APPLICATION_NAME", "")
	if name(pool.Config{URL: nowhere}) == "" {
		t.Error("the application has no name")
	}
}

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		profile                       pool.Profile
		max                           int32
		connect, ping, lifetime, idle time.Duration
	}{
		{"", 4, 3 * time.Second, 500 * time.Millisecond, 30 * time.Minute, 5 * time.Minute},
		{pool.Production, 4, 3 * time.Second, 500 * time.Millisecond, 30 * time.Minute, 5 * time.Minute},
		{pool.Development, 4, 3 * time.Second, 500 * time.Millisecond, 30 * time.Minute, 5 * time.Minute},
		{pool.Test, 4, 5 * time.Second, 2 * time.Second, 5 * time.Minute, 30 * time.Second},
		{pool.Serverless, 2, 10 * time.Second, 500 * time.Millisecond, 5 * time.Minute, 10 * time.Second},
	} {
		got := settled(t, pool.Config{URL: nowhere, Profile: c.profile})
		if got.MaxConns < c.max {
			t.Errorf("%q: MaxConns is %d, want %d or more", c.profile, got.MaxConns, c.max)
		}
		check.Same(t, "ConnectTimeout of "+string(c.profile), got.ConnConfig.ConnectTimeout, c.connect)
		check.Same(t, "PingTimeout of "+string(c.profile), got.PingTimeout, c.ping)
		check.Same(t, "MaxConnLifetime of "+string(c.profile), got.MaxConnLifetime, c.lifetime)
		check.Same(t, "jitter of "+string(c.profile), got.MaxConnLifetimeJitter, c.lifetime/5)
		check.Same(t, "MaxConnIdleTime of "+string(c.profile), got.MaxConnIdleTime, c.idle)
	}
	t.Setenv("SMRT_POOL_PROFILE", "serverless")
	check.Same(t, "profile of the environment", settled(t, pool.Config{URL: nowhere}).MaxConns, 2)
}

// What is wrong is said before anything is dialled, and says neither the URL
// nor the password.
func TestBadSettings(t *testing.T) {
	for _, c := range []struct {
		option string
		cfg    pool.Config
		env    string
	}{
		{option: "URL", cfg: pool.Config{}},
		{option: "URL", cfg: pool.Config{URL: "postgres://alice:hunter2%zz@db.invalid/shop"}},
		{option: "URL", cfg: pool.Config{URL: "postgres://alice:hunter2/@db.invalid:x/shop"}},
		{option: "URL", cfg: pool.Config{URL: "host=db.invalid password=hunter2 port"}},
		{option: "URL", cfg: pool.Config{URL: nowhere + "?sslmode=hunter2"}},
		{option: "URL", cfg: pool.Config{URL: nowhere + "?pool_max_con=3"}},
		{option: "pool_max_conns of the URL", cfg: pool.Config{URL: nowhere + "?pool_max_conns=hunter2"}},
		{option: "pool_acquire_timeout of the URL", cfg: pool.Config{URL: nowhere + "?pool_acquire_timeout=2"}},
		{option: "SMRT_POOL_MAX_CONNS", cfg: pool.Config{URL: nowhere}, env: "0"},
		{option: "MaxConns", cfg: pool.Config{URL: nowhere, MaxConns: -3}},
		{option: "MaxConns", cfg: pool.Config{URL: nowhere, MaxConns: 20_000}},
		{option: "MinConns", cfg: pool.Config{URL: nowhere, MaxConns: 3, MinConns: 4}},
		{option: "AcquireTimeout", cfg: pool.Config{URL: nowhere, AcquireTimeout: -2}},
		{option: "pool_queue_target of the URL", cfg: pool.Config{URL: nowhere + "?pool_queue_target=5"}},
		{option: "QueueTarget", cfg: pool.Config{URL: nowhere, QueueTarget: -1}},
		{option: "QueueTarget", cfg: pool.Config{URL: nowhere, QueueTarget: 60 * time.Millisecond, AcquireTimeout: 100 * time.Millisecond}},
		{option: "QueueInterval", cfg: pool.Config{URL: nowhere, QueueInterval: time.Second}},
		{option: "QueueInterval", cfg: pool.Config{URL: nowhere, QueueTarget: 5 * time.Millisecond, QueueInterval: time.Millisecond}},
		{option: "Classes", cfg: pool.Config{URL: nowhere, MaxConns: 3, Classes: map[string]int{"report": 4}}},
		{option: "Classes", cfg: pool.Config{URL: nowhere, Classes: map[string]int{"report": 0}}},
		{option: "PingTimeout", cfg: pool.Config{URL: nowhere, PingTimeout: time.Nanosecond}},
		{option: "ConnectTimeout", cfg: pool.Config{URL: nowhere, ConnectTimeout: -1}},
		{option: "Profile", cfg: pool.Config{URL: nowhere, Profile: "prod"}},
		{option: "Mode", cfg: pool.Config{URL: nowhere, Mode: "pooled"}},
		{option: "Reset", cfg: pool.Config{URL: nowhere, Reset: "never"}},
		{option: "SSLMode", cfg: pool.Config{URL: nowhere, SSLMode: "on"}},
		{option: "Configure", cfg: pool.Config{URL: nowhere, Configure: func(c *pgxpool.Config) { c.MaxConns = 0 }}},
	} {
		os.Setenv("SMRT_POOL_MAX_CONNS", c.env)
		_, err := pool.Open(t.Context(), c.cfg)
		os.Unsetenv("SMRT_POOL_MAX_CONNS")
		check.Error(t, c.option, err, smrt.ErrBadOptions)
		var o *smrt.OptionsError
		if !errors.As(err, &o) || o.Option != c.option {
			t.Errorf("%s: got %v", c.option, err)
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "db.invalid") {
			t.Errorf("%s: the error tells too much: %v", c.option, err)
		}
	}
	_, err := pool.Open(nil, pool.Config{URL: nowhere}) //nolint:staticcheck // a mistake of the caller
	check.Error(t, "nil context", err, smrt.ErrNilContext)
}

// A connection to another machine is encrypted unless somebody says otherwise.
func TestTLS(t *testing.T) {
	plain := func(cfg pool.Config) (plain bool) {
		c := settled(t, cfg).ConnConfig
		plain = c.TLSConfig == nil
		for _, f := range c.Fallbacks {
			plain = plain || f.TLSConfig == nil
		}
		return plain
	}
	check.Same(t, "default", plain(pool.Config{URL: nowhere}), false)
	check.Same(t, "default, as keywords", plain(pool.Config{URL: "host=db.invalid user=alice dbname=shop"}), false)
	check.Same(t, "one of several", plain(pool.Config{URL: "postgres://localhost,db.invalid/shop"}), false)
	check.Same(t, "a socket before it", plainRemote(t, "host=/tmp,db.invalid user=alice"), false)
	check.Same(t, "a socket before it, in a URL", plainRemote(t, "postgres:///shop?host=/tmp,db.invalid"), false)
	for _, value := range []string{
		"host=db.invalid password='x sslmode=disable' user=alice", `host=db.invalid password=x\ sslmode=disable`,
		nowhere + "?application_name=a%26sslmode%3Db",
	} {
		check.Same(t, value+" says sslmode in a value", plain(pool.Config{URL: value}), false)
	}
	check.Same(t, "after a value in quotes", plain(pool.Config{URL: "host=db.invalid password = 'it\\'s' sslmode = prefer"}), true)
	check.Same(t, "loopback", plain(pool.Config{URL: "postgres://127.0.0.1/shop"}), true)
	check.Same(t, "unix socket", plain(pool.Config{URL: "host=/tmp user=alice"}), true)
	check.Same(t, "URL says prefer", plain(pool.Config{URL: nowhere + "?sslmode=prefer"}), true)
	check.Same(t, "URL says disable", plain(pool.Config{URL: nowhere + "?sslmode=disable"}), true)
	check.Same(t, "Config says prefer", plain(pool.Config{URL: nowhere, SSLMode: "prefer"}), true)
	check.Same(t, "Config wins", plain(pool.Config{URL: nowhere + "?sslmode=disable", SSLMode: "require"}), false)
	check.Same(t, "Config wins, as keywords", plain(pool.Config{URL: "host=db.invalid sslmode=disable", SSLMode: "require"}), false)
	verified := settled(t, pool.Config{URL: nowhere + "?sslmode=verify-full"}).ConnConfig.TLSConfig
	check.Same(t, "verify-full is not weakened", verified.InsecureSkipVerify, false)
	t.Setenv("PGSSLMODE", "prefer")
	check.Same(t, "PGSSLMODE says prefer", plain(pool.Config{URL: nowhere}), true)
	t.Setenv("PGSSLMODE", "")
	c := check.Value(pgxpool.ParseConfig(nowhere))(t)
	if c.ConnConfig.Fallbacks[0].TLSConfig != nil {
		t.Error("control: pgx does not fall back to plain text")
	}
}

// plainRemote reports whether a host of another machine is connected to without
// TLS.
func plainRemote(t *testing.T, url string) bool {
	t.Helper()
	c := settled(t, pool.Config{URL: url}).ConnConfig
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host == "db.invalid" && f.TLSConfig == nil })
}

// Hooks that the user sets stay in use.
func TestConfigure(t *testing.T) {
	t.Parallel()
	var seen hooks
	p := open(t, pool.Config{URL: url(t), MinConns: -1, Configure: seen.set})
	check.NoError(t, p.Ping(t.Context()))
	_, err := p.Exec(t.Context(), "DO $$ BEGIN RAISE NOTICE 'hello'; END $$")
	check.NoError(t, err)
	check.Equal(t, "hooks", seen.list(), []string{"BeforeConnect", "AfterConnect", "TraceAcquireStart", "TraceQueryStart", "OnNotice"})
	c := p.Config()
	c.MaxConns = 1
	if p.Config().MaxConns == 1 {
		t.Error("Config is not a copy")
	}
	check.Same(t, "Pgx", p.Pgx().Stat().MaxConns(), p.Stats().Max)
}

// A server that is down ends Open after StartTimeout, and Lazy does not care.
func TestServerIsDown(t *testing.T) {
	cfg := pool.Config{URL: "postgres://127.0.0.1:1/shop", StartTimeout: 300 * time.Millisecond, MinConns: -1}
	began := time.Now()
	_, err := pool.Open(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "could not be reached in") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(began); d < 250*time.Millisecond || d > testdb.Patience(2*time.Second) {
		t.Errorf("Open took %v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = pool.Open(ctx, cfg)
	if err == nil {
		t.Error("Open did not notice the end of its context")
	}
	cfg.Lazy = true
	p := open(t, cfg)
	if err := p.Ping(t.Context()); err == nil {
		t.Error("the server answered")
	}
	check.Same(t, "server", p.Server(), pool.Server{})
}

// What will not pass by itself is not tried again.
func TestStartGivesUpAtOnce(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, err := pool.Open(t.Context(), pool.Config{URL: strings.Replace(url(t), "/smrt", "/missing_smrt", 1)})
	if err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(began); d > testdb.Patience(3*time.Second) {
		t.Errorf("Open took %v", d)
	}
}

// TestURLHints proves that the error of a bad URL says what to write instead,
// and has no part of the URL in it, which pgx's own error has.
func TestURLHints(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		url  string
		mode string
		hint string
	}{
		"mode of TLS in the URL":      {url: nowhere + "?sslmode=hunter2", hint: "sslmode"},
		"mode of TLS in the settings": {url: nowhere, mode: "hunter2", hint: "verify-full"},
		"time limit":                  {url: nowhere + "?connect_timeout=hunter2", hint: "connect_timeout"},
		"mode of TLS, as keywords":    {url: "host=db.invalid sslmode=hunter2", hint: "sslmode"},
		"time limit, as keywords":     {url: "host=db.invalid connect_timeout=hunter2", hint: "connect_timeout"},
		"port, as keywords":           {url: "host=db.invalid port=hunter2", hint: "port"},
		"kind of server":              {url: nowhere + "?target_session_attrs=hunter2", hint: "target_session_attrs"},
		"mode of execution":           {url: nowhere + "?default_query_exec_mode=hunter2", hint: "default_query_exec_mode"},
		"port":                        {url: "postgres://alice@db.invalid/shop?port=hunter2", hint: "port"},
		"percent sign in a password":  {url: "postgres://alice:hunter2%zz@db.invalid/shop", hint: "percent-encoded"},
		"keywords":                    {url: "host=db.invalid password=hunter2 port", hint: "host=... user=... dbname=..."},
	} {
		_, err := pool.Open(t.Context(), pool.Config{URL: c.url, SSLMode: c.mode, Lazy: true})
		check.Error(t, what, err, smrt.ErrBadOptions)
		var bad *smrt.OptionsError
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, c.hint) {
			t.Errorf("%s: got %v, want a hint of %q", what, err, c.hint)
			continue
		}
		for _, secret := range []string{"hunter2", "alice", "db.invalid"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error has %s of the URL in it: %v", what, secret, err)
			}
		}
	}
	t.Run("none", func(t *testing.T) {
		for _, url := range []string{nowhere, "host=db.invalid user=alice password=hunter2", nowhere + "?sslmode=verify-full"} {
			settled(t, pool.Config{URL: url})
		}
	})
}
