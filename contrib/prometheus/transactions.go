package smrtprom

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smrt-go/smrt/observe"
)

var (
	txBegunDesc   = txDesc("smrt_tx_begun_total", "Transactions that began.")
	txDoneDesc    = txDesc("smrt_tx_total", "Transactions that ended, by how.", "outcome")
	txUnknownDesc = txDesc("smrt_commit_unknown_total", "COMMITs whose answer was lost.")
	txRetriesDesc = txDesc("smrt_tx_retries_total", "Further attempts of txn.Run, by the SQLSTATE that the one before ended with.", "sqlstate")
	txSecondsDesc = txDesc("smrt_tx_seconds", "How long transactions were open.")
	txIdleDesc    = txDesc("smrt_tx_idle_seconds_total", "Time of transactions in which they were open without a call.")

	txDescs = []*prometheus.Desc{txBegunDesc, txDoneDesc, txUnknownDesc, txRetriesDesc, txSecondsDesc, txIdleDesc}
)

func txDesc(name, help string, further ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"observer"}, further...), nil)
}

// transactions returns the metrics of an observer's transactions.
func (c *Collector) transactions(key string, s *observe.Snapshot) []prometheus.Metric {
	tx, t := &s.Transactions, newTimes()
	t.add(tx.Times, tx.Open)
	all := []prometheus.Metric{
		counter(txBegunDesc, s.Since, float64(tx.Begun), key),
		counter(txDoneDesc, s.Since, float64(tx.Committed), key, "committed"),
		counter(txDoneDesc, s.Since, float64(tx.RolledBack), key, "rolled_back"),
		counter(txUnknownDesc, s.Since, float64(tx.InDoubt), key),
		counter(txIdleDesc, s.Since, tx.Idle.Seconds(), key),
		t.histogram(txSecondsDesc, s.Since, c.config.Native, []string{key}),
	}
	states := map[string]uint64{}
	for state, n := range tx.Retried {
		states[stateLabel(state)] += n
	}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		all = append(all, counter(txRetriesDesc, s.Since, float64(states[state]), key, state))
	}
	return all
}

// stateLabel returns the label of an SQLSTATE.
func stateLabel(state string) string {
	switch {
	case state == "":
		return "none"
	case !isLabel(state):
		return other
	}
	return state
}
