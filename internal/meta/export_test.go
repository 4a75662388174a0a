package meta

// Arena is the memory of the strings of one result.
type Arena struct{ a arena }

// Reserve makes room for n bytes.
func (a *Arena) Reserve(n int) { a.a.reserve(n) }

// String copies b.
func (a *Arena) String(b []byte) string { return a.a.string(b) }

// The sizes of chunks.
const (
	MinChunk = minChunk
	MaxChunk = maxChunk
	SlabSize = slabSize
)
