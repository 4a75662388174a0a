package migrate_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
)

// folder makes files of their names and texts.
func folder(texts ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i := 0; i < len(texts); i += 2 {
		files[texts[i]] = &fstest.MapFile{Data: []byte(texts[i+1])}
	}
	return files
}

const contractPhase = "-- smrt:phase contract\n"

func TestPlan(t *testing.T) {
	files := folder("0001_a.sql", "", "2_b.sql", "", "3_c.sql", contractPhase, "10_d.sql", "-- smrt:phase expand\n", "20_e.sql", contractPhase, "notes.sql", "")
	for name, c := range map[string]struct {
		applied      []int64
		target       migrate.Target
		run, waiting string
		err          string
	}{
		"all":                           {nil, migrate.Target{Contract: true}, "[0001_a.sql 2_b.sql 3_c.sql 10_d.sql 20_e.sql]", "[]", ""},
		"a new database without":        {nil, migrate.Target{}, "[0001_a.sql 2_b.sql 10_d.sql]", "[3_c.sql 20_e.sql]", ""},
		"an expand file behind":         {[]int64{1, 2}, migrate.Target{}, "[10_d.sql]", "[3_c.sql 20_e.sql]", ""},
		"contract files late":           {[]int64{1, 2, 10}, migrate.Target{Contract: true}, "[3_c.sql 20_e.sql]", "[]", ""},
		"one of them":                   {[]int64{1, 2, 10}, migrate.Target{Contract: true, Version: 3}, "[3_c.sql]", "[]", ""},
		"as far as":                     {nil, migrate.Target{Version: 2}, "[0001_a.sql 2_b.sql]", "[]", ""},
		"an expand file late":           {[]int64{1, 3, 20}, migrate.Target{}, "[]", "[]", "2_b.sql, 10_d.sql were not run, though the database is at version 20"},
		"an expand file late, on order": {[]int64{1, 10}, migrate.Target{AllowMissing: true}, "[2_b.sql]", "[3_c.sql 20_e.sql]", ""},
		"no such version":               {nil, migrate.Target{Version: 4}, "[]", "[]", "no migration of version 4"},
		"versions without a file":       {[]int64{1, 2, 9}, migrate.Target{}, "[10_d.sql]", "[3_c.sql 20_e.sql]", ""},
	} {
		run, waiting, err := migrate.PlanOf(files, c.applied, c.target)
		check.Same(t, name+": run", names(run), c.run)
		check.Same(t, name+": waiting", names(waiting), c.waiting)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.err)
		}
	}
}

func TestFolderErrors(t *testing.T) {
	for want, files := range map[string]fstest.MapFS{
		"1_a.sql:2: smrt:phase later: the phases are": folder("1_a.sql", "-- +goose Up\n-- smrt:phase later"),
		"1_a.sql:3: CREATE INDEX CONCURRENTLY has no": folder("1_a.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY ON a (b);"),
		"2_b.go is a migration in Go":                 folder("1_a.sql", "", "2_b.go", "", "2_b_test.go", ""),
		"1_a.sql:1: there is no annotation smrt:fase": folder("1_a.sql", "-- smrt:fase contract"),
		"0001_a.sql and 1_b.sql both have version 1":  folder("0001_a.sql", "", "1_b.sql", "", "2_c.sql", ""),
	} {
		if _, _, err := migrate.PlanOf(files, nil, migrate.Target{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	if _, err := migrate.Open(migrate.Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "there are no migrations") {
		t.Errorf("the error of an empty folder is %v", err)
	}
	if _, err := migrate.Open(migrate.Options{Dir: "missing"}); err == nil || !strings.Contains(err.Error(), "missing is no directory") {
		t.Errorf("the error of no folder is %v", err)
	}
}

func TestIndexes(t *testing.T) {
	check.Equal(t, "indexes", migrate.Indexes(`
		CREATE INDEX CONCURRENTLY a ON t (x);
		create unique index concurrently if not exists "A b" on only "S".t using gin (x);
		CREATE INDEX CONCURRENTLY ON t (x);
		CREATE INDEX b ON t (x);
		DO $$ CREATE INDEX CONCURRENTLY c ON t (x); $$;
		-- CREATE INDEX CONCURRENTLY d ON t (x);
		CREATE INDEX CONCURRENTLY`), []string{"a on t", `A b on "S".t`, " on t", " on "})
}
