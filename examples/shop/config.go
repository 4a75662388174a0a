package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is what the service is told by its environment.
type Config struct {
	DatabaseURL string        // DATABASE_URL: the primary
	ReplicaURLs []string      // REPLICA_URLS: its standbys, separated by commas; none if empty
	TokenSecret []byte        // TOKEN_SECRET: signs sessions and cursors, the same in all processes
	Addr        string        // ADDR: where clients are served
	OpsAddr     string        // OPS_ADDR: metrics, the live page and profiles
	MaxConns    int32         // MAX_CONNS: connections of each pool
	Rate        int64         // RATE: points of a client in a minute; a statement is about one
	CallTimeout time.Duration // CALL_TIMEOUT: of one call to the database
	ReadyDelay  time.Duration // READY_DELAY: from not being ready to refusing connections
	DrainTime   time.Duration // DRAIN_TIME: for requests that run when the service is told to stop
}

// ConfigError reports a variable of the environment that cannot be used.
type ConfigError struct {
	Variable string
	Reason   string // what it must be
}

// Error returns the variable and what it must be, without its value.
func (e *ConfigError) Error() string { return e.Variable + " " + e.Reason }

// configFrom reads the environment. The error joins a *ConfigError for each variable that is wrong.
func configFrom(getenv func(string) string) (Config, error) {
	r := reader{getenv: getenv}
	cfg := Config{
		DatabaseURL: r.text("DATABASE_URL", ""),
		TokenSecret: []byte(getenv("TOKEN_SECRET")),
		Addr:        r.address("ADDR", "127.0.0.1:8080"),
		OpsAddr:     r.address("OPS_ADDR", "127.0.0.1:8081"),
		MaxConns:    int32(r.number("MAX_CONNS", 8, 1, 1000)),
		Rate:        r.number("RATE", 6_000, 1, 10_000_000),
		CallTimeout: r.duration("CALL_TIMEOUT", 2*time.Second, 10*time.Millisecond),
		ReadyDelay:  r.duration("READY_DELAY", 0, 0),
		DrainTime:   r.duration("DRAIN_TIME", 10*time.Second, 0),
	}
	if urls := getenv("REPLICA_URLS"); urls != "" {
		cfg.ReplicaURLs = strings.Split(urls, ",")
		if slices.Contains(cfg.ReplicaURLs, "") {
			r.refuse("REPLICA_URLS", "must be URLs separated by commas, without an empty one")
		}
	}
	if len(cfg.TokenSecret) < 16 {
		r.refuse("TOKEN_SECRET", "must have at least 16 bytes")
	}
	return cfg, errors.Join(r.errs...)
}

// reader reads variables and collects what is wrong with them. No error has a value: some are secrets.
type reader struct {
	getenv func(string) string
	errs   []error
}

func (r *reader) refuse(name, reason string) {
	r.errs = append(r.errs, &ConfigError{Variable: name, Reason: reason})
}

// text returns a variable or, if that is not set, the default, without which it must be set.
func (r *reader) text(name, fallback string) string {
	v := r.getenv(name)
	if v == "" {
		v = fallback
	}
	if v == "" {
		r.refuse(name, "must be set")
	}
	return v
}

func (r *reader) address(name, fallback string) string {
	v := r.text(name, fallback)
	if _, _, err := net.SplitHostPort(v); err != nil {
		r.refuse(name, "must be an address and a port, such as 127.0.0.1:8080")
	}
	return v
}

func (r *reader) number(name string, fallback, least, most int64) int64 {
	v, err := strconv.ParseInt(r.text(name, strconv.FormatInt(fallback, 10)), 10, 64)
	if err != nil || v < least || v > most {
		r.refuse(name, fmt.Sprintf("must be a number from %d to %d", least, most))
	}
	return v
}

func (r *reader) duration(name string, fallback, least time.Duration) time.Duration {
	v, err := time.ParseDuration(r.text(name, fallback.String()))
	if err != nil || v < least {
		r.refuse(name, fmt.Sprintf("must be a duration from %v, such as 2s", least))
	}
	return v
}
