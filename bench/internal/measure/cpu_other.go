//go:build !unix

package measure

import "time"

// cpuTime returns 0: nothing is known of the process.
func cpuTime() time.Duration { return 0 }
