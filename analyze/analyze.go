package analyze

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/analysis"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/schema"
)

// DB is what is analysed: a *pgxpool.Pool, one of its connections, a *pgx.Conn, or a
// transaction.
type DB interface {
	smrt.DB

	// Begin begins a transaction, or a savepoint in one.
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Options say what is looked at besides the catalog of the database. Their zero value
// is useful. They can be written as JSON, but for what is of the program.
type Options struct {
	// Declarations are the tables of the program and how they are used. Their relations
	// say which foreign keys are followed by loads.
	Declarations []schema.Declaration `json:"-"`

	// Workload are the statements of the program, whose plans are looked at.
	Workload Workload `json:"workload,omitempty"`

	// Snapshots are what observers of the program have recorded, such as one of each of its
	// processes. Their statements are looked at like those of Workload, and what was counted
	// of them too.
	Snapshots []observe.Snapshot `json:"snapshots,omitempty"`

	// Execute has statements run that the server knows values for, in transactions that
	// are rolled back. Numbers of sequences are used up by that, and what functions do
	// outside of the database is done: it is for copies of a database.
	Execute bool `json:"execute,omitempty"`

	// Standbys are servers that replicate the database. An index that is unused on the
	// primary may be what their reads need.
	Standbys []smrt.DB `json:"-"`

	// Source says whose statistics the plans of the report are made with, so that they are
	// compared with those of the same only. Default: the database and the server's version.
	Source string `json:"source,omitempty"`

	// Progress is called after each statement of the workload with how many are done, of
	// how many.
	Progress func(done, of int) `json:"-"`

	// Limits are from where on something is a finding.
	Limits Limits `json:"limits"`
}

// Limits are from where on something is a finding. A zero is the default.
type Limits struct {
	UnusedFor time.Duration `json:"unused_for"` // that an index must be without use; 7 days
	OpenFor   time.Duration `json:"open_for"`   // that a transaction may be open while others write; 5 minutes
	Pages     int64         `json:"pages"`      // of 8 kB that a table must have for reading all of it to matter; 1,000
}

// withDefaults returns the limits that hold.
func (l Limits) withDefaults() Limits {
	l.UnusedFor = cmp.Or(l.UnusedFor, 7*24*time.Hour)
	l.OpenFor = cmp.Or(l.OpenFor, 5*time.Minute)
	l.Pages = cmp.Or(l.Pages, 1000)
	return l
}

// validate returns an error for what cannot be meant.
func (l Limits) validate() error {
	for _, limit := range []struct {
		name  string
		value int64
	}{{"UnusedFor", int64(l.UnusedFor)}, {"OpenFor", int64(l.OpenFor)}, {"Pages", l.Pages}} {
		if limit.value < 0 {
			return &smrt.OptionsError{Option: "Limits." + limit.name, Reason: "is negative: give a limit above 0, or 0 for the default"}
		}
	}
	return nil
}

// Report is what was found. It is the same for the same database, and can be written
// as JSON.
type Report struct {
	Database string   `json:"database"`
	Server   int      `json:"server"` // its major version
	Findings Findings `json:"findings"`
	Unseen   []string `json:"unseen"` // what could not be looked at, and what would show it

	Statements int         `json:"statements"` // of the workload, each text once
	Unplanned  []Unplanned `json:"unplanned"`  // those of them that have no plan
	Plans      Plans       `json:"plans"`      // of the others
	Indexes    []Index     `json:"indexes"`    // that are advised, as the planner says with hypopg; in the order of their tables
}

// Index is one that is advised for a workload. Findings name it too.
type Index struct {
	SQL    string   `json:"sql"` // creates it while others write
	Table  string   `json:"table"`
	Bytes  int64    `json:"bytes"`  // about
	Writes int64    `json:"writes"` // rows that the workload inserts and updates in the table, each of which the index is written for
	Serves []Served `json:"serves"`

	// Replaces are indexes, as SQL, that may be dropped when it is there, because it begins
	// with their columns. None keeps values unique, or is that of a constraint or of
	// replication.
	Replaces []string `json:"replaces"`
}

// Served is a statement that an index helps.
type Served struct {
	Statement string  `json:"statement"` // its name
	Before    float64 `json:"before"`    // the planner's cost without the index
	After     float64 `json:"after"`     // and with it
}

// Unplanned is a statement that the server has no plan for.
type Unplanned struct {
	Statement string `json:"statement"` // its name
	Why       string `json:"why"`
}

// Run looks at a database. It changes nothing, runs no statement of the program without
// Execute, and needs no more than a role that may read: what that role may not see is in Unseen.
//
// The error says that the options cannot be meant (a *smrt.OptionsError or
// *smrt.QueryError), or that the database could not be asked. Findings are no error, see
// [Findings.Err]. Run is safe for concurrent use if db is.
func Run(ctx context.Context, db DB, options Options) (*Report, error) {
	if db == nil {
		return nil, &smrt.QueryError{Reason: "analyze: the handle is nil: give a pool, a connection or a transaction"}
	}
	if err := options.Limits.validate(); err != nil {
		return nil, err
	}
	options.Limits = options.Limits.withDefaults()
	health, err := catalog.HealthOf(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("smrt: analyze: %w", err)
	}
	r := &run{options: options, Analysis: &analysis.Analysis{Health: health, Limits: analysis.Limits(options.Limits), Execute: options.Execute}}
	for _, db := range options.Standbys {
		r.Standbys = append(r.Standbys, db)
	}
	err = r.checkDeclarations(ctx, db)
	if err == nil {
		err = r.Catalog(ctx)
	}
	if err == nil {
		err = r.checkSecurity(ctx, db)
	}
	if err == nil {
		r.checkObserved()
		err = r.checkWorkload(ctx, db)
	}
	if err != nil {
		return nil, fmt.Errorf("smrt: analyze: %w", err)
	}
	return r.report(), nil
}

// run is one call of Run.
type run struct {
	*analysis.Analysis
	options    Options
	statements int
	titles     map[string]string // of statements, by their texts
	sites      map[uint32]string // of declarations, by their tables
	tenants    map[uint32]string // columns that say whose a row is, by declared tables
}

// report returns what was found, in order.
func (r *run) report() *Report {
	report := &Report{Database: r.Database, Server: r.Major, Findings: make(Findings, len(r.Found)), Unseen: append([]string{}, r.Unseen...), Statements: r.statements, Unplanned: []Unplanned{}, Indexes: []Index{}}
	for i, f := range r.Found {
		report.Findings[i] = Finding{
			ID: f.ID, Level: schema.Level(f.Level), Object: f.Object, Evidence: f.Evidence, Follows: f.Follows,
			SQL: f.SQL, Go: f.Go, Site: cmp.Or(f.Site, r.sites[f.Table]), Plan: f.Plan, Before: f.Before,
		}
	}
	report.Findings.sort()
	slices.Sort(report.Unseen)
	report.Plans = Plans{Source: cmp.Or(r.options.Source, fmt.Sprintf("%s on PostgreSQL %d", r.Database, r.Major)), Plans: []PlanShape{}}
	for _, p := range r.Plans {
		report.Plans.Plans = append(report.Plans.Plans, PlanShape(p))
	}
	for _, x := range r.Advised {
		one := Index{SQL: x.SQL, Table: x.Table, Bytes: x.Bytes, Writes: x.Writes, Serves: []Served{}, Replaces: append([]string{}, x.Replaces...)}
		for _, s := range x.Serves {
			one.Serves = append(one.Serves, Served(s))
		}
		report.Indexes = append(report.Indexes, one)
	}
	for _, u := range r.Unplanned {
		report.Unplanned = append(report.Unplanned, Unplanned(u))
	}
	return report
}
