package pool

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
)

// The value of a setting is found in this order, and the first place that has one
// wins:
//
//	the field of Config           MaxConns
//	the parameter of the URL      pool_max_conns, of a keyword string too
//	the variable                  SMRT_POOL_MAX_CONNS
//	the profile                   profiles, which the field, the URL or the variable chooses
//
// pgxpool reads the parameters of the URL that it knows, too. Its result cannot be
// used for that order: it has a default where nothing was said, checks no range
// but that of pool_max_conns, and its errors quote the URL. So resolver looks at
// the texts before pgxpool takes them away, and fill overwrites pgxpool's result.

// settings are what the four sources of settings come to.
type settings struct {
	Config
	defaults

	pgx *pgxpool.Config
}

// The names of a setting: of the field, and of the parameter of the URL, which
// is also that of the environment in capitals after SMRT_.
const (
	prefix    = "pool_"
	envPrefix = "SMRT_"
)

// own are the parameters of the URL that pgx does not know.
var own = []string{"profile", "acquire_timeout", "queue_target", "queue_interval", "start_timeout", "mode", "reset"}

// known are those that it does know.
var known = []string{
	"max_conns", "min_conns", "min_idle_conns", "max_conn_lifetime", "max_conn_lifetime_jitter",
	"max_conn_idle_time", "health_check_period", "ping_timeout",
}

func bad(option, reason string) error { return &smrt.OptionsError{Option: option, Reason: reason} }

// resolve finds the value of every setting, without dialling.
func resolve(cfg Config) (*settings, error) {
	dsn, err := cfg.connString()
	if err != nil {
		return nil, err
	}
	looked, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, badURL(dsn, err)
	}
	r := &resolver{url: looked.RuntimeParams}
	if err := r.unknown(); err != nil {
		return nil, err
	}
	s := &settings{Config: cfg}
	s.choose(r)
	s.numbers(r)
	s.durations(r, looked.ConnectTimeout)
	s.shedding(r)
	s.Classes = maps.Clone(s.Classes)
	for name, n := range s.Classes {
		if n < 1 || n > int(s.MaxConns) {
			r.bad("Classes", fmt.Sprintf("must have numbers from 1 to MaxConns, which is %d; that of %q is %d", s.MaxConns, name, n))
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if s.pgx, err = pgxpool.ParseConfig(dsn); err != nil {
		return nil, badURL(dsn, err)
	}
	s.fill()
	return s, nil
}

// choose resolves the settings that are words. The profile comes first, as the
// defaults of the others are its.
func (s *settings) choose(r *resolver) {
	s.Profile = choice(r, "Profile", s.Profile, "profile", Production, Development, Test, Serverless)
	s.Mode = choice(r, "Mode", s.Mode, "mode", "", Direct, Session, Transaction, Statement)
	s.Reset = choice(r, "Reset", s.Reset, "reset", ResetUsed, ResetAlways)
	s.defaults = profiles[s.Profile]
	s.ApplicationName = cmp.Or(s.ApplicationName, r.url["application_name"],
		os.Getenv(envPrefix+"POOL_APPLICATION_NAME"), filepath.Base(os.Args[0]))
}

// numbers resolves the sizes. MinConns of -1 means none, whatever the profile says.
func (s *settings) numbers(r *resolver) {
	s.MaxConns = r.number("MaxConns", s.MaxConns, number{"max_conns", s.Profile.maxConns(runtime.NumCPU()), 1, maxMaxConns})
	if s.MinConns == -1 {
		s.MinConns, s.minIdle = 0, 0
		return
	}
	s.MinConns = r.number("MinConns", s.MinConns, number{"min_conns", min(s.minConns, s.MaxConns), 0, s.MaxConns})
	s.minIdle = r.number("MinIdleConns", 0, number{"min_idle_conns", min(s.minIdle, s.MaxConns), 0, s.MaxConns})
}

const (
	maxMaxConns = 10_000
	leastTime   = time.Millisecond
	mostTime    = 24 * time.Hour
)

func (s *settings) durations(r *resolver, connect time.Duration) {
	if s.AcquireTimeout != -1 {
		s.AcquireTimeout = r.duration("AcquireTimeout", s.AcquireTimeout, "acquire_timeout", s.acquire)
	}
	if s.ConnectTimeout == 0 {
		s.ConnectTimeout = connect
	}
	s.ConnectTimeout = r.duration("ConnectTimeout", s.ConnectTimeout, "connect_timeout", s.connect)
	s.PingTimeout = r.duration("PingTimeout", s.PingTimeout, "ping_timeout", s.ping)
	s.StartTimeout = r.duration("StartTimeout", s.StartTimeout, "start_timeout", s.start)
	s.MaxConnLifetime = r.duration("MaxConnLifetime", s.MaxConnLifetime, "max_conn_lifetime", s.lifetime)
	s.MaxConnIdleTime = r.duration("MaxConnIdleTime", s.MaxConnIdleTime, "max_conn_idle_time", s.idle)
	s.healthInterval = r.duration("HealthCheckPeriod", 0, "health_check_period", s.healthInterval)
}

// shedding resolves what the queue does.
func (s *settings) shedding(r *resolver) {
	s.QueueTarget = r.duration("QueueTarget", s.QueueTarget, "queue_target", 0)
	s.QueueInterval = r.duration("QueueInterval", s.QueueInterval, "queue_interval", min(20*s.QueueTarget, mostTime))
	switch {
	case s.QueueTarget == 0 && s.QueueInterval > 0:
		r.bad("QueueInterval", "needs QueueTarget, without which nothing is refused")
	case s.AcquireTimeout != -1 && s.QueueTarget > s.AcquireTimeout/2:
		r.bad("QueueTarget", fmt.Sprintf("must be at most half of AcquireTimeout, which is %v", s.AcquireTimeout))
	case s.QueueInterval < s.QueueTarget:
		r.bad("QueueInterval", fmt.Sprintf("must not be shorter than QueueTarget, which is %v", s.QueueTarget))
	}
}

// jitter is the part of a connection's lifetime that is left to chance.
const jitter = 0.2

// fill writes the settings to pgx's own.
func (s *settings) fill() {
	c := s.pgx
	for _, name := range own {
		delete(c.ConnConfig.RuntimeParams, prefix+name)
	}
	c.ConnConfig.RuntimeParams["application_name"] = s.ApplicationName
	c.ConnConfig.RuntimeParams["client_encoding"] = "UTF8" // of Go's strings; the default is that of the database
	c.ConnConfig.ConnectTimeout = s.ConnectTimeout
	c.ConnConfig.DialFunc = dialer().DialContext
	c.MaxConns, c.MinConns, c.MinIdleConns = s.MaxConns, s.MinConns, s.minIdle
	c.MaxConnLifetime, c.MaxConnIdleTime = s.MaxConnLifetime, s.MaxConnIdleTime
	if c.MaxConnLifetimeJitter == 0 {
		c.MaxConnLifetimeJitter = time.Duration(jitter * float64(s.MaxConnLifetime))
	}
	c.HealthCheckPeriod, c.PingTimeout = s.healthInterval, s.PingTimeout
}

// resolver looks for values. It keeps the first error.
type resolver struct {
	url map[string]string // parameters of the URL
	err error
}

// unknown refuses parameters that are misspelled: they would be sent to the
// server, which knows them even less.
func (r *resolver) unknown() error {
	for name := range r.url {
		if rest, ok := strings.CutPrefix(name, prefix); ok && !slices.Contains(own, rest) && !slices.Contains(known, rest) {
			all := append(slices.Clone(own), known...)
			return bad("URL", fmt.Sprintf("has the parameter %s, which does not exist: those of pools are pool_%s",
				name, strings.Join(all, ", pool_")))
		}
	}
	return nil
}

// text finds the setting of that name outside of Config.
func (r *resolver) text(name string) (value, where string) {
	if v, ok := r.url[prefix+name]; ok {
		return v, prefix + name + " of the URL"
	}
	env := envPrefix + strings.ToUpper(prefix+name)
	return os.Getenv(env), env
}

// bad notes that a setting cannot be used. Only the first error is reported.
func (r *resolver) bad(option, reason string) {
	if r.err == nil {
		r.err = bad(option, reason)
	}
}

// choice returns the value of a setting that is one of a few words. The first of
// values is the default.
func choice[T ~string](r *resolver, option string, field T, name string, values ...T) T {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return T(r.word(option, string(field), name, words))
}

func (r *resolver) word(option, field, name string, words []string) string {
	where := option
	if field == "" {
		field, where = r.text(name)
	}
	if field == "" {
		return words[0]
	}
	if !slices.Contains(words, field) {
		if words[0] == "" { // the default has no word
			words = words[1:]
		}
		r.bad(where, "must be one of "+strings.Join(words, ", "))
	}
	return field
}

// number is a setting outside of Config: its name, its default, and its range.
type number struct {
	name                   string
	otherwise, least, most int32
}

// number returns the value of a setting that is a number. A text that is none is
// refused in the same words as a number that is out of range.
func (r *resolver) number(option string, field int32, n number) int32 {
	where := option
	if field == 0 {
		var text string
		if text, where = r.text(n.name); text == "" {
			return n.otherwise
		}
		parsed, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			parsed = int64(n.least) - 1
		}
		field = int32(parsed)
	}
	if field < n.least || field > n.most {
		r.bad(where, fmt.Sprintf("must be a number from %d to %d", n.least, n.most))
	}
	return field
}

// duration returns the value of a setting that is a duration, within the limits of
// all of them.
func (r *resolver) duration(option string, field time.Duration, name string, otherwise time.Duration) time.Duration {
	where := option
	if field == 0 {
		var text string
		if text, where = r.text(name); text == "" {
			return otherwise
		}
		field, _ = time.ParseDuration(text) // 0 is refused below
	}
	if field < leastTime || field > mostTime {
		r.bad(where, fmt.Sprintf("must be a duration from %v to %v, such as 500ms or 2s", leastTime, mostTime))
	}
	return field
}
