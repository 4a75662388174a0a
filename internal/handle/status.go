package handle

// The states of a connection as pgconn.PgConn.TxStatus returns them.
const (
	StatusIdle   = 'I' // in no transaction
	StatusInTx   = 'T' // in a transaction that has not failed
	StatusFailed = 'E' // in a transaction that has failed
)
