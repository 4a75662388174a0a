package main

import (
	"github.com/smrt-go/smrt/bench/internal/bybob"
	"github.com/smrt-go/smrt/bench/internal/bybun"
	"github.com/smrt-go/smrt/bench/internal/byent"
	"github.com/smrt-go/smrt/bench/internal/bygorm"
	"github.com/smrt-go/smrt/bench/internal/bypgkit"
	"github.com/smrt-go/smrt/bench/internal/bypgx"
	"github.com/smrt-go/smrt/bench/internal/byscany"
	"github.com/smrt-go/smrt/bench/internal/bysmrt"
	"github.com/smrt-go/smrt/bench/internal/bysqlc"
	"github.com/smrt-go/smrt/bench/internal/bysqlx"
	"github.com/smrt-go/smrt/bench/internal/measure"
)

// contestants returns all of them, hand-written pgx first: the others are compared with it.
func contestants() []measure.Contestant {
	return []measure.Contestant{
		{Name: "pgx", Module: "github.com/jackc/pgx/v5", Open: bypgx.Open},
		{Name: "smrt", Module: "github.com/smrt-go/smrt", Open: bysmrt.Open},
		{Name: "sqlc", Module: "github.com/sqlc-dev/sqlc", Version: "v1.31.1", Open: bysqlc.Open},
		{Name: "ent", Module: "entgo.io/ent", Open: byent.Open},
		{Name: "bun", Module: "github.com/uptrace/bun", Open: bybun.Open},
		{Name: "bob", Module: "github.com/stephenafamo/bob", Open: bybob.Open},
		{Name: "sqlx", Module: "github.com/jmoiron/sqlx", Open: bysqlx.Open},
		{Name: "squirrel+scany", Module: "github.com/georgysavva/scany/v2", Open: byscany.Open},
		{Name: "pgkit", Module: "github.com/goware/pgkit/v2", Open: bypgkit.Open},
		{Name: "gorm", Module: "gorm.io/gorm", Open: bygorm.Open},
	}
}
