package main

import (
	"github.com/smrt-go/smrt/bench/internal/bybun"
	"github.com/smrt-go/smrt/bench/internal/byent"
	"github.com/smrt-go/smrt/bench/internal/bygorm"
	"github.com/smrt-go/smrt/bench/internal/bypgx"
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
		{Name: "sqlx", Module: "github.com/jmoiron/sqlx", Open: bysqlx.Open},
		{Name: "gorm", Module: "gorm.io/gorm", Open: bygorm.Open},
	}
}
