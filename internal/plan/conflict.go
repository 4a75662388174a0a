package plan

import "github.com/smrt-go/smrt/internal/meta"

// Conflict says what an upsert does about rows that exist.
type Conflict struct {
	Target  []*meta.Column
	Where   string // predicate of a partial unique index
	Update  []*meta.Column
	Nothing bool
}
