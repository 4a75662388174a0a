// Package page is the document that observe's Handler serves: what it shows, how that
// is written in HTML and JSON, and how it is drawn. It knows nothing of where the
// numbers come from, and takes no text to be anything but text.
package page

import (
	"encoding/json"
	"time"
)

// Report is what a page shows. It does not change once it is made, as several requests
// may show it.
type Report struct {
	Title string    `json:"title,omitempty"`
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`
	Total Entry     `json:"total"`
	Texts int       `json:"texts"` // how many entries there are, shown or not
	Slow  SlowLog   `json:"slow"`

	Transactions Transactions `json:"transactions"`

	Findings []Finding `json:"findings,omitempty"`
	Pools    []Pool    `json:"pools,omitempty"`
	Routers  []Router  `json:"routers,omitempty"`
	Memory   []Kept    `json:"memory"`
	Server   *Server   `json:"server,omitempty"` // nil: none is asked

	// By has the entries that come first in each order, by the name of the order.
	By map[string][]Entry `json:"-"`
}

// Seconds is a duration, which JSON has as a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// Entry is what is known of a text, or of a sum of texts.
type Entry struct {
	Name      string            `json:"name"`
	SQL       string            `json:"sql,omitempty"` // without literals; empty for several texts
	Calls     uint64            `json:"calls"`
	Rows      uint64            `json:"rows"`
	Failed    uint64            `json:"failed"`
	Cancelled uint64            `json:"cancelled"`
	Refused   uint64            `json:"refused"`
	Shared    uint64            `json:"shared"`
	Again     uint64            `json:"reruns"`
	Queued    uint64            `json:"queued"`
	Errors    map[string]uint64 `json:"errors,omitempty"` // by SQLSTATE
	Total     Seconds           `json:"total"`            // the next three together
	Waited    Seconds           `json:"waited"`
	Server    Seconds           `json:"server"`
	Decoded   Seconds           `json:"decoded"`
	Held      Seconds           `json:"held"`
	P50       Seconds           `json:"p50"`
	P95       Seconds           `json:"p95"`
	P99       Seconds           `json:"p99"`
	Max       Seconds           `json:"max"`
	Whole     bool              `json:"whole"` // Server has the whole time of some calls

	// Times are how many calls took how long, from short to long, for the chart.
	Times []Column `json:"-"`
}

// Column is how many calls took a time. The next one begins where it ends, and there
// are as many for each doubling of the time.
type Column struct {
	From, To time.Duration
	Calls    uint64
}

// SlowLog is the slow log.
type SlowLog struct {
	On        bool       `json:"on"`
	Threshold Seconds    `json:"threshold"`
	Calls     []SlowCall `json:"calls,omitempty"` // the newest first
}

// SlowCall is a line of the slow log.
type SlowCall struct {
	At       time.Time `json:"at"`
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	SQL      string    `json:"sql,omitempty"`
	Server   Seconds   `json:"server"`
	Waited   Seconds   `json:"waited"`
	Decoded  Seconds   `json:"decoded"`
	Held     Seconds   `json:"held"`
	Rows     int64     `json:"rows"`
	Outcome  string    `json:"outcome"`
	SQLState string    `json:"sqlstate,omitempty"`
	Node     string    `json:"node"`
	Site     string    `json:"site,omitempty"` // where the program made it
}

// Transactions are the sums of all transactions, and the last of those that failed, were in
// doubt, were tried again or were open for long.
type Transactions struct {
	Begun      uint64            `json:"begun"`
	Pending    uint64            `json:"open"` // or lost: the program has closed their connection
	Committed  uint64            `json:"committed"`
	RolledBack uint64            `json:"rolled_back"`
	InDoubt    uint64            `json:"in_doubt"`
	Retried    map[string]uint64 `json:"retried,omitempty"` // by the SQLSTATE that the attempt before ended with
	Open       Seconds           `json:"time_open"`         // of those that have ended
	Idle       Seconds           `json:"time_idle"`         // of that, without a call
	P50        Seconds           `json:"p50"`
	P95        Seconds           `json:"p95"`
	P99        Seconds           `json:"p99"`
	Recent     []Transaction     `json:"recent,omitempty"` // the newest first
}

// Transaction is one that has ended.
type Transaction struct {
	At       time.Time `json:"at"`
	Ending   string    `json:"ending"` // committed, rolled back, or in doubt
	Outcome  string    `json:"outcome"`
	SQLState string    `json:"sqlstate,omitempty"`
	Attempt  int       `json:"attempt"`         // from 1
	Cause    string    `json:"cause,omitempty"` // the SQLSTATE that the attempt before ended with
	Open     Seconds   `json:"time_open"`
	Idle     Seconds   `json:"time_idle"`
	Node     string    `json:"node"`
}

// Finding is a place in the program where something was found.
type Finding struct {
	At      time.Time `json:"at"`    // the last time
	Kind    string    `json:"kind"`  // loop, many calls, budget, or idle transaction
	Times   uint64    `json:"times"` // in how many requests, or transactions
	Calls   int       `json:"calls,omitempty"`
	Open    Seconds   `json:"open,omitempty"` // such transactions together
	Idle    Seconds   `json:"idle,omitempty"`
	SQL     string    `json:"sql,omitempty"`
	Site    string    `json:"site"`
	Callers []string  `json:"callers,omitempty"`
	Instead string    `json:"instead"`
}

// Pool is the state of a pool.
type Pool struct {
	Name      string  `json:"name"`
	Max       int32   `json:"max"`
	InUse     int32   `json:"in_use"`
	Idle      int32   `json:"idle"`
	Opening   int32   `json:"opening"`
	Waiting   int64   `json:"waiting"` // calls; 0 of a pool of pgx, which does not say
	Acquires  int64   `json:"acquires"`
	Waits     int64   `json:"waits"`
	WaitTime  Seconds `json:"wait_time"`
	Cancelled int64   `json:"cancelled"`
	Exhausted int64   `json:"exhausted"`
	Opened    int64   `json:"opened"`
	Closed    int64   `json:"closed"`
}

// Router is the state of a router.
type Router struct {
	Name      string `json:"name"`
	Engine    string `json:"engine"`
	Waits     uint64 `json:"waits"`
	Fallbacks uint64 `json:"fallbacks"`
	Refused   uint64 `json:"refused"`
	Reruns    uint64 `json:"reruns"`
	Nodes     []Node `json:"nodes"`
}

// Node is the state of a server behind a router.
type Node struct {
	Name     string  `json:"name"`
	Role     string  `json:"role"`  // primary or standby
	State    string  `json:"state"` // up, reading, "up, no reads", or down
	Behind   uint64  `json:"behind_bytes"`
	Latency  Seconds `json:"latency"`
	Age      Seconds `json:"asked_ago"`
	InFlight int     `json:"in_flight"`
	Reads    uint64  `json:"reads"`
}

// Kept is what a kind of cache keeps.
type Kept struct {
	Name      string `json:"name"`
	Entries   int    `json:"entries"`
	Capacity  int    `json:"capacity"`
	Bytes     int64  `json:"bytes"`
	Hits      uint64 `json:"hits"`
	Misses    uint64 `json:"misses"`
	Evictions uint64 `json:"evictions"`
}

// Server is what a server said.
type Server struct {
	Error   string    `json:"error,omitempty"` // why it did not answer
	Took    Seconds   `json:"took"`
	Cut     bool      `json:"cut"` // there is more than is shown
	Running []Session `json:"running"`
}

// Session is a session that is doing something.
type Session struct {
	PID         int32   `json:"pid"`
	Name        string  `json:"name,omitempty"` // that of the program; empty for statements that it does not know
	Application string  `json:"application"`
	User        string  `json:"user"`
	State       string  `json:"state"`
	Wait        string  `json:"wait,omitempty"`
	BlockedBy   []int32 `json:"blocked_by,omitempty"`
	For         Seconds `json:"for"`            // in this state
	InTx        Seconds `json:"in_transaction"` // 0: in none
	SQL         string  `json:"sql"`            // without literals
	QueryID     int64   `json:"query_id,string,omitempty"`
}
