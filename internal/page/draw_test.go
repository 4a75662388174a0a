package page_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/page"
)

// TestNumbers with three digits and a unit, so that columns can be compared.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-1: "0", 0: "0", 999: "999 ns", 1000: "1.00 µs", 9994: "9.99 µs", 9999: "10.0 µs", 12_345: "12.3 µs", 99_960: "100 µs", 123_456: "123 µs",
		1_500_000: "1.50 ms", 99 * time.Second: "99.0 s", 100 * time.Second: "1 min", 125 * time.Minute: "2 h 05 min", 100 * time.Hour: "4 d",
		1<<63 - 1: "106751 d",
	} {
		check.Same(t, d.String(), page.ShortDuration(d), want)
	}
	for n, want := range map[string]string{"0": "0", "999": "999", "1000": "1,000", "-1000": "-1,000", "-100": "-100", "18446744073709551615": "18,446,744,073,709,551,615"} {
		check.Same(t, n, page.Grouped(n), want)
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "0.98 KB", 1 << 20: "1.00 MB", 1 << 40: "1.00 TB", 1 << 60: "1,048,576 TB"} {
		check.Same(t, want, page.ShortBytes(n), want)
	}
}
