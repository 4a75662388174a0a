// Package otelsmrt makes spans and metrics of OpenTelemetry from what an
// [observe.Observer] sees, by the stable semantic conventions for databases. It is a
// module of its own, so that only programs that use it depend on OpenTelemetry.
//
// # Setup
//
// A [Hook] is one of the hooks of an observer, which is attached to a pool or to the
// nodes of a router:
//
//	telemetry, err := otelsmrt.New(otelsmrt.Config{})
//	observer, err := observe.New(observe.Config{Hooks: []observe.Hook{telemetry}})
//	db, err := pool.Open(ctx, pool.Config{URL: url, Configure: observer.Configure})
//
// The providers are those of the process unless [Config] names others. The metrics of
// a pool itself are made by [Pool], and those of a router by [Router].
//
// # Names
//
// Names are those of package observe and never come from SQL, so there are as many as
// the program's source has. A call of a repository has db.collection.name and
// db.operation.name, the operation in the words of smrt, and its span is called
// "get products". A query of sqlc has its name. SQL written by hand is "raw".
// A batch is "BATCH create orders" if its statements are alike, else "BATCH" with the
// table if they are all for one. A batch of one statement is no batch to the
// conventions: it is named like the statement.
//
// # Spans
//
// A span is of the kind client, a child of the span in the context of the call, and as
// long as the call: of a stream until its rows are closed. Its attributes:
//
//	db.system.name             postgresql
//	db.namespace               the database
//	server.address, .port      of the server, or its socket
//	db.query.summary           the name of the span; not of raw SQL
//	db.collection.name         the table, of repositories
//	db.operation.name          the operation, of repositories, transactions and batches
//	db.operation.batch.size    the statements of a batch, if it is not one
//	db.query.text              with placeholders; see below
//	db.response.status_code    the SQLSTATE, if the server refused
//	error.type                 the SQLSTATE; otherwise cancelled, timeout, refused, connection or _OTHER
//	db.response.returned_rows  if Config.Rows asks for it
//	db.query.parameter.0       and so on, if Config.Parameters asks for it
//	smrt.waited, smrt.held     seconds for a connection; of a stream, in the program's hands
//	smrt.callers               how many calls share the statement, if not one
//	smrt.tx.attempt, smrt.run  from 2: of the transaction; of a statement that the pool ran again
//
// A transaction has a span of its own when it has ended, "transaction" of the kind internal,
// from its beginning to its end, beside those of its statements. It has smrt.tx.outcome, which
// is committed, rolled_back, or in_doubt if the answer to COMMIT was lost; smrt.held is the
// time without a call, and smrt.tx.attempt is there from the second attempt on.
//
// Reads by key of several callers may share a statement. Its span has no parent, because
// it belongs to none of them alone. Each caller whose context has a span gets one of its own
// below that, of the kind internal and with smrt.shared; the two are linked with each other.
//
// # What does not get out
//
// The text of a statement that smrt or sqlc wrote is a constant. From SQL written by hand
// the literals are taken out. Arguments are shown on request only, and what an error
// says is never shown, because PostgreSQL writes values into it.
//
// # Metrics
//
//	db.client.operation.duration      seconds, all but what a stream spends in the program's hands
//	db.client.response.returned_rows  of reads by repositories
//	smrt.client.errors                errors by db.response.status_code or error.type
//	smrt.client.series.overflow       measurements that had no room of their own
//	smrt.client.transaction.duration   seconds from the beginning to the end, by smrt.tx.outcome
//	smrt.client.transaction.idle_time  seconds of that without a call
//	smrt.client.transaction.retries    further attempts, by the db.response.status_code for which they were made
//
// A pool that is given to [Pool] has besides these, with db.client.connection.pool.name:
//
//	db.client.connection.count, .max, .idle.min, .pending_requests, .timeouts
//	db.client.connection.wait_time, .use_time, .create_time   seconds, of each connection
//	smrt.pool.class.connections, .max, .pending_requests, .waits, .refused   by smrt.pool.class
//
// Transactions have the labels of the server beside these. Those of calls are the system,
// the database, the server, and what names the call: its table and operation, or its
// summary. The duration has besides error.type: failed, cancelled or refused. So there are at most four series for each name and server. Each
// metric has at most [MaxSeries]; what comes later is "other".
//
// The buckets that the metric recommends begin at 0.1 ms, because a read by key takes less than
// the millisecond at which those of the conventions begin. Exponential histograms are chosen by a
// view of the SDK.
//
// # Beside other tracers
//
// A hook ends the spans that it began, and no others. It does not put them into the
// context, where a tracer that ends whatever span it finds would end them. Such tracers,
// and several hooks, may serve one connection.
package otelsmrt
