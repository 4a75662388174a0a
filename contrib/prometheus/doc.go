// Package smrtprom gives Prometheus what observers of package observe, pools of
// package pool and routers of package readreplica count. It is a module of its own, so that what it needs never reaches
// the go.sum of a program that does without. Its name is not that of its directory,
// because package prometheus of the client is imported beside it.
//
//	collector, err := smrtprom.New(smrtprom.Config{
//		Observers: map[string]*observe.Observer{"main": observer},
//		Pools:     map[string]*pool.Pool{"main": db},
//	})
//	registry.MustRegister(collector)
//
// A program has one Collector, for all its observers, pools and routers. It reads them when it
// is scraped; nothing runs in between, and a call of the program costs no more than it
// does with the observer alone, unless Config.PoolTimes asks for more.
//
// # Metrics of statements
//
// They have the labels observer, which is the key in Config.Observers, and table,
// operation and query, which are the fields of [observe.Name]. SQL without a name has
// the operation raw. So labels come from the source of the program: none has a value
// of a column, a text, or a hash of one.
//
//	smrt_statement_seconds     histogram  how long calls took, without the time in which rows were held
//	smrt_statements_total      outcome    ok, failed, cancelled or refused
//	smrt_errors_total          sqlstate   errors; "none" for those that are not the server's
//	smrt_rows_total                       rows returned or affected
//	smrt_time_seconds_total    part       waited, server, held or decoded
//	smrt_shared_total                     calls beyond the first that shared a statement
//	smrt_reruns_total                     statements that the pool ran again
//
// A call with several statements, which is a batch, is in smrt_statement_seconds as
// one; its statements are counted in smrt_statements_total. Those that were refused
// have no time.
//
// # Metrics of transactions
//
// They have the label observer. Transactions that package txn did not begin are among them;
// see [observe.Transactions].
//
//	smrt_tx_begun_total                   transactions that began
//	smrt_tx_total               outcome   committed or rolled_back
//	smrt_commit_unknown_total             COMMITs whose answer was lost
//	smrt_tx_retries_total       sqlstate  further attempts, by what the one before ended with, or "none"
//	smrt_tx_seconds             histogram how long they were open
//	smrt_tx_idle_seconds_total            of that time, without a call
//
// # Metrics of pools
//
// They have the label pool, which is the key in Config.Pools. See [pool.Stats] for what
// each counts: smrt_pool_connections has the label state, and the others begin with
// smrt_pool_, too.
//
// Those of its classes, if pool.Config.Classes names some, have the label class besides:
// smrt_pool_class_connections, _max_connections, _pending_requests, _waits_total and
// _refused_total. They are as many as the configuration says. Calls that wait for their class
// are there, and not in smrt_pool_pending_requests.
//
// With Config.PoolTimes, smrt_pool_connection_wait_seconds, _use_seconds and _create_seconds are
// histograms of how long connections were waited for, lent, and being opened.
//
// # Metrics of routers
//
// They begin with smrt_replica_ and have the label router, which is the key in
// Config.Routers, and those of its nodes have the label node, too. See
// [readreplica.Stats] for what each counts.
//
//	smrt_replica_up, _primary, _reading       1 or 0 for each node
//	smrt_replica_breaker_state                of each node: 0 closed, 1 half-open, 2 open
//	smrt_replica_behind_bytes, _reads_total   and _asked_seconds, _latency_seconds, _in_flight of each node
//	smrt_replica_fallbacks_total, _waits_total, _wait_seconds_total, _refused_total, _in_fallback
//	smrt_replica_conflicts_total, _reruns_total, _redirects_total, _positions_total, _timelines_total, _bad_tokens_total
//
// # How many series
//
// A set of labels is 30 series or so: the histogram has 19. Config.MaxSeries is how
// many sets there may be. A name that is met later is counted as operation other, and
// smrt_series_overflow_total counts how often that happened. What has a set keeps it as
// long as the Collector lives, so a counter never goes down, except after
// [observe.Observer.Reset].
//
// # Dashboard and alerts
//
// dashboard.json in this directory is a dashboard for Grafana, and alerts.yaml are rules
// for Prometheus. A test checks that a scrape has every metric and label they use.
package smrtprom
