package smrt_test

import (
	"context"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestPosition proves how positions are written, and which one is none.
func TestPosition(t *testing.T) {
	for want, p := range map[string]smrt.Position{
		"0:0/0":               {},
		"1:0/1":               {Timeline: 1, LSN: 1},
		"3:16/B374D848":       {System: 7, Timeline: 3, LSN: 0x16B374D848},
		"2:1/0":               {Timeline: 2, LSN: 1 << 32},
		"1:FFFFFFFF/FFFFFFFF": {Timeline: 1, LSN: 1<<64 - 1},
	} {
		check.Same(t, "text", p.String(), want)
		check.Same(t, want+" is none", p.IsZero(), want == "0:0/0")
	}
	if (smrt.Position{System: 7}).IsZero() {
		t.Error("a position of a known cluster is none")
	}
}

// TestPositionIsWrittenAsTheServerDoes compares the number of a position with the
// server's own text for it.
func TestPositionIsWrittenAsTheServerDoes(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, shop.Schema)
	for _, lsn := range []int64{0, 1, 1 << 32, 0x16B374D848, 1<<62 + 0xFF} {
		var text string
		err := pool.QueryRow(context.Background(), "SELECT ('0/0'::pg_lsn + $1::bigint::numeric)::text", lsn).Scan(&text)
		check.NoError(t, err)
		check.Same(t, "text", smrt.Position{Timeline: 9, LSN: uint64(lsn)}.String(), "9:"+text)
	}
}
