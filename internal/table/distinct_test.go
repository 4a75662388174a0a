package table_test

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/query"
)

// keyed has columns of the kinds that are compared in ways of their own.
type keyed struct {
	ID    int64
	Code  string
	Maybe *string
	Small int32
}

// TestDistinct looks for two rows that are equal in columns, among many that differ.
func TestDistinct(t *testing.T) {
	const n = 200
	of := table.Of(query.NewTable("keyed", func(k *keyed) *int64 { return &k.ID }).Plan())
	rows := make([]keyed, n)
	distinct := func(names ...string) error {
		var columns []*meta.Column
		for _, c := range of.Struct.Columns {
			for _, name := range names {
				if c.Name == name {
					columns = append(columns, c)
				}
			}
		}
		check.Same(t, "columns found", len(columns), len(names))
		return of.Distinct(of.Entities(unsafe.Pointer(&rows[0]), n), columns)
	}
	for i := range rows {
		code := fmt.Sprint("code ", i)
		rows[i] = keyed{int64(i + 1), code, &code, int32(i)}
	}
	rows[5].Maybe, rows[9].Maybe = nil, nil // equal to nothing
	for name, again := range map[string]func(){
		"id":    func() { rows[150].ID = rows[20].ID },
		"code":  func() { rows[150].Code = "" + rows[20].Code },
		"maybe": func() { rows[150].Maybe = new(*rows[20].Maybe) },
		"small": func() { rows[150].Small = rows[20].Small },
	} {
		check.NoError(t, distinct(name))
		before := rows[150]
		again()
		e := new(smrt.DuplicateError)
		if err := distinct(name); !errors.As(err, &e) || e.Rows != [2]int{20, 150} {
			t.Errorf("%s: %v", name, err)
		}
		check.NoError(t, distinct("id", "code", "small")) // all of them differ in one
		rows[150] = before
	}
	rows[3].ID, rows[4].ID = 0, 0 // the server will make them differ
	rows[6].Code, rows[7].Code = "", ""
	check.NoError(t, distinct("id"))
	if err := distinct("code"); err == nil {
		t.Error("two texts that are empty differ")
	}
	rows[7].Code = "another"
	const most = 8
	if a := testing.AllocsPerRun(10, func() { _ = distinct("code") }); a > most && !check.Race { // which allocates by itself
		t.Errorf("%v allocations for %d texts, more than %d", a, n, most)
	}
}
