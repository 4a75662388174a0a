package txn

import (
	"net"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
)

// TestAlarmBelongsToWhoSetItLast switches an alarm off late, when a pool has lent its connection to somebody else, who
// is still protected.
func TestAlarmBelongsToWhoSetItLast(t *testing.T) {
	wire, other := net.Pipe()
	defer other.Close()
	a := &alarm{wire: wire}
	first := a.set(time.Hour)
	second := a.set(20 * time.Millisecond)
	first.off()
	_, err := wire.Read(make([]byte, 1)) // until it is cut
	check.Same(t, "cut", err != nil, true)
	second.off()

	wire, other = net.Pipe()
	defer wire.Close()
	a = &alarm{wire: wire}
	first = a.set(10 * time.Millisecond)
	first.off()
	go func() {
		time.Sleep(30 * time.Millisecond)
		_, _ = other.Write([]byte{1})
	}()
	_, err = wire.Read(make([]byte, 1))
	check.NoError(t, err) // an alarm that is off cuts nothing
	stop{}.off()
}
