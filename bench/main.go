// Command bench compares smrt with hand-written pgx and with other libraries: the same tasks on the same rows, each written
// as the library's own documentation recommends. From the root of the repository:
//
//	make bench                     # all tasks: a table, bench/RESULTS.md and a plot
//	make bench ONLY=get COUNT=10   # tasks whose names begin so, in ten turns: a table
//
// The contestants take turns, on a database each, and their answers and what their databases hold afterwards must be the
// same. See RESULTS.md for how it is measured. It starts a PostgreSQL server of its own, and leaves nothing of it behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/report"
	"github.com/smrt-go/smrt/bench/internal/task"
	"github.com/smrt-go/smrt/internal/testdb"
)

// full is the size of what is published.
func full() task.Size {
	return task.Size{Customers: 20_000, Products: 5_000, Orders: 25_000, Rows: 1000}
}

func main() {
	only := flag.String("only", "", "tasks whose names begin with one of these, with commas between")
	count := flag.Int("count", 10, "turns of each contestant in each task")
	least := flag.Duration("turn", 20*time.Millisecond, "how long a turn lasts at least, unless it is a single call")
	out := flag.String("out", "", "directory for RESULTS.md and plots; none if empty")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, measure.Turns{Count: max(1, *count), Least: *least}, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// choose returns the tasks whose names begin with one of the prefixes.
func choose(tasks []task.Task, prefixes string) []task.Task {
	return slices.DeleteFunc(tasks, func(t task.Task) bool {
		return !slices.ContainsFunc(strings.Split(prefixes, ","), func(p string) bool { return strings.HasPrefix(t.Name, p) })
	})
}

func run(ctx context.Context, only string, turns measure.Turns, out string) (err error) {
	if len(choose(task.All(full(), model.Position{}), only)) == 0 {
		return errors.New("there is no such task")
	}
	server, err := testdb.Start(ctx, testdb.Config{Settings: measure.Settings()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	version, err := server.Version(ctx)
	if err != nil {
		return err
	}
	stage, err := measure.NewStage(ctx, server, full(), contestants())
	if err != nil {
		return err
	}
	var results []measure.Result
	start, tasks := time.Now(), choose(stage.Tasks(), only)
	for i, t := range tasks {
		fmt.Fprintf(os.Stderr, "%4.0f s: measuring %s, %d of %d\n", time.Since(start).Seconds(), t.Name, i+1, len(tasks))
		r, err := stage.Measure(ctx, t, turns)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	report.Table(os.Stdout, results)
	if out == "" {
		return nil
	}
	return report.Write(out, report.Machine{Server: version, Turns: turns, Contestants: contestants()}, results)
}
