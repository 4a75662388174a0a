package traced_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/traced"
)

// TestNamesGoWithTheirTexts: a name is known as long as somebody keeps the text, and
// no longer.
func TestNamesGoWithTheirTexts(t *testing.T) {
	text := strings.Clone("SELECT of a table that is gone")
	kept := traced.Keep(text, traced.Name{Table: "gone", Operation: "find"})
	again := traced.Keep(text, traced.Name{Table: "gone", Operation: "preload"})
	check.Same(t, "the first name stays", again.Name().Operation, "find")
	n, ok := traced.NameOf(text)
	check.Same(t, "is known", ok, true)
	check.Same(t, "table", n.Table, "gone")
	runtime.KeepAlive(kept)
	runtime.KeepAlive(again)
	kept, again = nil, nil
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		if _, ok := traced.NameOf(text); !ok {
			kept = traced.Keep(text, traced.Name{Table: "new"})
			check.Same(t, "table of the next declaration", kept.Name().Table, "new")
			runtime.GC()
			n, ok := traced.NameOf(text)
			check.Same(t, "is known again", ok && n.Table == "new", true)
			runtime.KeepAlive(kept)
			return
		}
	}
	t.Error("the name of a text that nobody keeps is kept")
}

// TestPassedNamesAreBounded: texts that are made for each call take no more memory
// the more there are.
func TestPassedNamesAreBounded(t *testing.T) {
	check.Same(t, "text", traced.Pass("nobody observes", "t", "find"), "nobody observes")
	if _, ok := traced.NameOf("nobody observes"); ok {
		t.Error("a name is kept where nobody observes")
	}
	traced.Observe(true)
	before := traced.Names()
	for i := range 10_000 {
		sql := traced.Pass(fmt.Sprint("DELETE ", i), "t", "delete")
		if n, ok := traced.NameOf(sql); !ok || n.Operation != "delete" {
			t.Fatalf("the name of %s is not known", sql)
		}
	}
	if n := traced.Names() - before; n > 1024 {
		t.Errorf("%d names are kept", n)
	}
	traced.Pass(strings.Repeat("x", 64<<10), "t", "find")
	traced.Pass("DELETE 9999", "t", "another")
	n, _ := traced.NameOf("DELETE 9999")
	check.Same(t, "the last name holds", n.Operation, "another")
}

// TestWithoutObserver: what is nil takes what it is told.
func TestWithoutObserver(t *testing.T) {
	var c *traced.Conn
	c.Streams()
	c.Shares(2, nil)
	c.Stop()
	c.Rerun(1)
	check.Same(t, "context", c.Begin(t.Context(), nil, "commit"), t.Context())
	c.End(t.Context(), nil, nil)
	var d traced.Decoding
	d.Row()
	d.Done(nil, nil)
	check.Same(t, "connection", traced.Of(nil) == nil, true)
	check.Same(t, "name of nothing", (*traced.Text)(nil).Name(), traced.Name{})
}

// TestDecodingOfARowThatIsKnown is not measured, and that of the rows behind it is.
func TestDecodingOfARowThatIsKnown(t *testing.T) {
	c := traced.Conn{FirstKnown: time.Hour}
	traced.DecodeRows(&c, 1)
	check.Same(t, "of one row", c.Decoded, time.Hour)
	check.Same(t, "measured", c.First, 0)
	traced.DecodeRows(&c, 2)
	check.Same(t, "of two rows, and that before", c.Decoded >= 2*time.Hour, true)
	c = traced.Conn{}
	traced.DecodeRows(&c, 1)
	check.Same(t, "is measured", c.First, c.Decoded)
}

// TestDecodingOfManyRows: the rows that are measured stand for nearly all.
func TestDecodingOfManyRows(t *testing.T) {
	for n := range 3000 {
		if got := traced.Accounted(n); got > n || got*5 < n*4 || n <= 4 && got != n {
			t.Fatalf("of %d rows %d are accounted for", n, got)
		}
	}
}
