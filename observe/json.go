package observe

import (
	"encoding/json"
	"fmt"
)

// snapshotVersion is that of the JSON that snapshots are written as. What is only added
// does not change it.
const snapshotVersion = 1

// plain is a Snapshot that is written field by field.
type plain Snapshot

// MarshalJSON writes a snapshot without values in its texts. What was recorded alike is
// written alike.
func (s Snapshot) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Version int `json:"version"`
		plain
	}{snapshotVersion, plain(s.WithoutValues())})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (s *Snapshot) UnmarshalJSON(text []byte) error {
	var read struct {
		Version int `json:"version"`
		plain
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return fmt.Errorf("smrt: observe: this is no snapshot: %w", err)
	}
	if read.Version != snapshotVersion {
		return fmt.Errorf("smrt: observe: the snapshot has version %d, and %d can be read: use the version of smrt that has written it", read.Version, snapshotVersion)
	}
	*s = Snapshot(read.plain)
	return nil
}

// MarshalJSON writes a histogram as pairs: the number of a bucket, eight of which are one
// doubling from 1,024 ns on, and the calls in it.
func (h Histogram) MarshalJSON() ([]byte, error) {
	pairs := make([][2]uint64, len(h.filled))
	for i, b := range h.filled {
		pairs[i] = [2]uint64{uint64(b.which), b.n}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var pairs [][2]uint64
	if err := json.Unmarshal(text, &pairs); err != nil {
		return fmt.Errorf("smrt: observe: this is no histogram: %w", err)
	}
	h.filled = nil
	for i, p := range pairs {
		if p[0] >= buckets || i > 0 && p[0] <= pairs[i-1][0] {
			return fmt.Errorf("smrt: observe: bucket %d of a histogram, at index %d, must be below %d and above the one before it", p[0], i, buckets)
		}
		h.filled = append(h.filled, bucket{p[1], uint8(p[0])})
	}
	return nil
}
