package gen_test

import (
	"database/sql"
	"encoding/json"
	"net"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// The structs below are read twice: by reflection, as declarations read them, and
// by the compiler, as smrt gen does.
type (
	Scanned  struct{ parts [2]int }
	Listed   []string
	Name     string
	Position struct{ X, Y float64 }
	Named    interface{ Name() string }
	Audit    struct {
		CreatedAt time.Time
		UserIDs   []int64
	}
	hidden struct{ Deep int }

	Plain struct {
		ID         int64
		SHA256Sum  []byte
		OAuth2Code string `json:"code"`
		Tagged     string `db:"other,omitempty" json:"x"`
		Left       int    `db:"-"`
		unexported int
	}
	Embedding struct {
		Audit
		hidden
		ID Name
	}
	EmbeddingTagged struct {
		Position `db:"position"`
		ID       int
	}
	Kinds struct {
		Time     time.Time
		TimeP    *time.Time
		Text     pgtype.Text
		Range    pgtype.Range[int32]
		Raw      json.RawMessage
		Addr     netip.Addr
		Hardware net.HardwareAddr
		IPNet    net.IPNet
		Null     sql.Null[int64]
		NullStr  sql.NullString
		Scanned  Scanned
		ScannedP *Scanned
		Listed   Listed
		Bytes    [16]byte
		Names    []Name
		Hstore   pgtype.Hstore
		Multi    pgtype.Multirange[pgtype.Range[int32]]
		Flat     pgtype.FlatArray[int32]
	}
	WithStruct  struct{ At Position }
	WithStructs struct{ All []Position }
	WithPointer struct{ At *Position }
	WithMap     struct{ M map[string]int }
	WithFace    struct{ N Named }
	WithFunc    struct{ F func() }
	TaggedAway  struct {
		ID  int
		At  Position `db:"at"`
		All []Named  `db:"-"`
	}
	SameTwice struct {
		A int `db:"x"`
		B int `db:"x"`
	}
	Quoted struct {
		A int "db:\"back`tick\""
		B int `db:"größe"`
	}
	Reserved struct {
		A int `db:"smrt_x"`
	}
)

func (s *Scanned) Scan(any) error { return nil }
