package unit_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// TestStatementTimeout proves that a flush which runs into a statement_timeout
// says so, whether its options set it or the session has it.
func TestStatementTimeout(t *testing.T) {
	const limit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 100', current_database()); END $$"
	for what, c := range map[string]struct {
		prepare string
		options txn.Options
	}{
		"options": {"", txn.Options{StatementTimeout: 100 * time.Millisecond}},
		"session": {limit, txn.Options{}},
	} {
		db := testdb.Pool(t, leagueSchema)
		warm := unit.New() // the catalog is not asked in the time that is measured
		unit.Create(warm, vouchers, &voucher{Code: "first"})
		check.Value(warm.Flush(t.Context(), db))(t)
		for _, sql := range []string{
			"CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$",
			"CREATE TRIGGER doze BEFORE INSERT ON vouchers FOR EACH ROW EXECUTE FUNCTION doze()",
			c.prepare,
		} {
			check.Value(db.Exec(t.Context(), sql))(t)
		}
		db.Reset() // sessions that begin now have the limit
		u := unit.New()
		unit.Create(u, vouchers, &voucher{Code: "slow"})
		_, err := u.Flush(t.Context(), db, c.options)
		check.Error(t, what, err, smrt.ErrStatementTimeout)
	}
}
