package alarm

import (
	"net"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
)

// TestAlarmBelongsToWhoSetItLast switches an alarm off late, when a pool has
// lent its connection to somebody else, who is still protected.
func TestAlarmBelongsToWhoSetItLast(t *testing.T) {
	wire, other := net.Pipe()
	defer other.Close()
	a := &Alarm{wire: wire}
	first := a.Set(time.Hour)
	second := a.Set(20 * time.Millisecond)
	first.Off()
	_, err := wire.Read(make([]byte, 1)) // until it is cut
	check.Same(t, "cut", err != nil, true)
	second.Off()

	wire, other = net.Pipe()
	defer wire.Close()
	a = &Alarm{wire: wire}
	first = a.Set(200 * time.Millisecond)
	first.Off()
	go func() {
		time.Sleep(300 * time.Millisecond)
		_, _ = other.Write([]byte{1})
	}()
	_, err = wire.Read(make([]byte, 1))
	check.NoError(t, err) // an alarm that is off cuts nothing
	Stop{}.Off()
}
