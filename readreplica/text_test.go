package readreplica_test

import (
	"errors"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
)

// TestTexts proves how engines and events are written, which is what an operator
// reads in a log.
func TestTexts(t *testing.T) {
	t.Parallel()
	for engine, want := range map[readreplica.Engine]string{
		readreplica.Detect: "not known yet", readreplica.PostgreSQL: "PostgreSQL", readreplica.Aurora: "Aurora",
		readreplica.CockroachDB: "CockroachDB", readreplica.YugabyteDB: "YugabyteDB",
		readreplica.Pooled: "PostgreSQL behind a pooler", 200: "PostgreSQL behind a pooler",
	} {
		check.Same(t, "engine", engine.String(), want)
	}
	for want, event := range map[string]readreplica.Event{
		"node up db1":                      {Kind: readreplica.NodeUp, Node: "db1"},
		"node down db1: no answer in time": {Kind: readreplica.NodeDown, Node: "db1", Err: errors.New("no answer in time")},
		"primary found db2":                {Kind: readreplica.PrimaryFound, Node: "db2"},
		"primary lost":                     {Kind: readreplica.PrimaryLost},
		"timeline changed db2 (1:0/3E8 to 2:0/44C)": {
			Kind: readreplica.TimelineChanged, Node: "db2",
			Old: smrt.Position{Timeline: 1, LSN: 1000}, New: smrt.Position{Timeline: 2, LSN: 1100},
		},
		"unknown": {},
	} {
		check.Same(t, "event", event.String(), want)
	}
}
