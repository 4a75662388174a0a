package migrate

import (
	"sync"
	"testing/fstest"
	"time"
)

// BeforeStatement has fn called before each statement of a runner, on whatever connection,
// one call at a time: the lease is renewed in the background.
func (r *Runner) BeforeStatement(fn func(pid uint32, sqlText string)) {
	var mu sync.Mutex
	r.watcher.before = func(pid uint32, sqlText string) {
		mu.Lock()
		defer mu.Unlock()
		fn(pid, sqlText)
	}
}

// PlanOf is the plan of a folder with these files.
func PlanOf(files fstest.MapFS, applied []int64, target Target) (run, waiting []*File, err error) {
	all, err := readFolder(files)
	if err != nil {
		return nil, nil, err
	}
	return plan(all, applied, target)
}

// Indexes are the names and tables of what a text builds concurrently.
func Indexes(text string) (all []string) {
	for _, x := range indexesOf(text) {
		all = append(all, x.name+" on "+x.table)
	}
	return all
}

// Resize is how many rows a batch has after one of this size that took so long.
func Resize(size int64, took, target time.Duration) int64 { return resize(size, took, target) }

// Pause is how long to wait after a try.
func (t Retry) Pause(try int) time.Duration { return t.pause(try) }
