// Package load sends reads to a shop, checks the answers, and measures what they take.
package load

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Options say what is sent where.
type Options struct {
	URL            string
	Connections    int
	Warm, Duration time.Duration
	Only           string // a kind of request; all kinds if it is empty
	Out            io.Writer
}

// Run sends requests for as long as the options say, and prints a table. The error joins what each
// connection met first, after which it sends no more.
func Run(o Options) error {
	shop, err := look(o.URL, o.Only)
	if err != nil {
		return err
	}
	users := make([]*user, o.Connections)
	for i := range users {
		if users[i], err = shop.user(uint64(i)); err != nil {
			return err
		}
		defer users[i].conn.Close()
	}
	begin := time.Now().Add(o.Warm)
	var all sync.WaitGroup
	for _, u := range users {
		all.Go(func() { u.work(begin, begin.Add(o.Duration)) })
	}
	all.Wait()
	return report(o, users)
}

// report prints what all users saw, by kind of request and together.
func report(o Options, users []*user) error {
	total, byKind := tally{}, map[string]*tally{}
	var errs []error
	for _, u := range users {
		for kind, t := range u.seen {
			if byKind[kind] == nil {
				byKind[kind] = &tally{}
			}
			byKind[kind].add(t)
			total.add(t)
		}
		errs = append(errs, u.failed)
	}
	fmt.Fprintf(o.Out, "%-8s %10s %9s %9s %9s %7s\n", "", "requests/s", "p50", "p99", "max", "errors")
	for _, k := range kinds {
		if t := byKind[k.name]; t != nil {
			t.print(o.Out, k.name, o.Duration)
		}
	}
	total.print(o.Out, "all", o.Duration)
	return errors.Join(errs...)
}
