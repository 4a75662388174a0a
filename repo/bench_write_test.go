package repo_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
)

func newMeasurements(n int) []measurement {
	ms := make([]measurement, n)
	for i := range ms {
		ms[i] = measurement{
			Sensor: "sensor number " + strconv.Itoa(i), Value: float64(i) / 2, Sequence: int64(i), Level: int32(i % 100),
			At: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC),
		}
	}
	return ms
}

const insertSQL = `INSERT INTO measurements (sensor, value, sequence, level, at) `

func BenchmarkCreate(b *testing.B) {
	s := newBench(b)
	ours, hand := newMeasurements(1)[0], newMeasurements(1)[0]
	compare(b, func() error {
		ours.ID = 0
		return s.repo.Create(s.ctx, &ours)
	}, twin{"pgx", func() error {
		m := &hand
		return s.pool.QueryRow(s.ctx, insertSQL+"VALUES ($1, $2, $3, $4, $5) RETURNING id",
			m.Sensor, m.Value, m.Sequence, m.Level, m.At).Scan(&m.ID)
	}})
}

// columns are the arguments of a statement that takes arrays.
type columns struct {
	ids       []int64
	sensors   []string
	values    []float64
	sequences []int64
	levels    []int32
	ats       []time.Time
}

func columnsOf(ms []measurement) columns {
	c := columns{
		ids: make([]int64, len(ms)), sensors: make([]string, len(ms)), values: make([]float64, len(ms)),
		sequences: make([]int64, len(ms)), levels: make([]int32, len(ms)), ats: make([]time.Time, len(ms)),
	}
	for i := range ms {
		m := &ms[i]
		c.ids[i], c.sensors[i], c.values[i], c.sequences[i], c.levels[i], c.ats[i] = m.ID, m.Sensor, m.Value, m.Sequence, m.Level, m.At
	}
	return c
}

const unnestSQL = `unnest($1::text[], $2::float8[], $3::bigint[], $4::integer[], $5::timestamptz[])`

func (b *bench) handUnnest(ms []measurement) error {
	c := columnsOf(ms)
	rows, err := b.pool.Query(b.ctx, insertSQL+"SELECT * FROM "+unnestSQL+" RETURNING id",
		c.sensors, c.values, c.sequences, c.levels, c.ats)
	if err != nil {
		return err
	}
	return scanKeys(rows, ms)
}

func scanKeys(rows pgx.Rows, ms []measurement) error {
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		if err := rows.Scan(&ms[i].ID); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (b *bench) handValues(ms []measurement) error {
	var sql strings.Builder
	sql.WriteString(insertSQL + "VALUES ")
	args := make([]any, 0, 5*len(ms))
	var number [8]byte
	for i := range ms {
		m := &ms[i]
		for j := range 5 {
			sql.WriteString([...]string{"($", ", $", ", $", ", $", ", $"}[j])
			sql.Write(strconv.AppendInt(number[:0], int64(5*i+j+1), 10))
		}
		sql.WriteByte(')')
		if i < len(ms)-1 {
			sql.WriteByte(',')
		}
		args = append(args, m.Sensor, m.Value, m.Sequence, m.Level, m.At)
	}
	sql.WriteString(" RETURNING id")
	rows, err := b.pool.Query(b.ctx, sql.String(), args...)
	if err != nil {
		return err
	}
	return scanKeys(rows, ms)
}

func (b *bench) handBatch(ms []measurement) error {
	var batch pgx.Batch
	for i := range ms {
		m := &ms[i]
		batch.Queue(insertSQL+"VALUES ($1, $2, $3, $4, $5) RETURNING id", m.Sensor, m.Value, m.Sequence, m.Level, m.At).
			QueryRow(func(row pgx.Row) error { return row.Scan(&m.ID) })
	}
	return b.pool.SendBatch(b.ctx, &batch).Close()
}

func BenchmarkCreateMany1000(b *testing.B) {
	s := newBench(b)
	ours, hand := newMeasurements(1000), newMeasurements(1000)
	compare(b, func() error {
		for i := range ours {
			ours[i].ID = 0
		}
		return s.repo.CreateMany(s.ctx, ours)
	},
		twin{"unnest", func() error { return s.handUnnest(hand) }},
		twin{"values", func() error { return s.handValues(hand) }},
		twin{"batch", func() error { return s.handBatch(hand) }},
	)
}

const upsertSQL = `INSERT INTO measurements (id, sensor, value, sequence, level, at)
	SELECT * FROM unnest($1::bigint[], $2::text[], $3::float8[], $4::bigint[], $5::integer[], $6::timestamptz[])
	ON CONFLICT (id) DO UPDATE SET sensor = EXCLUDED.sensor, value = EXCLUDED.value, sequence = EXCLUDED.sequence,
		level = EXCLUDED.level, at = EXCLUDED.at
	RETURNING (xmax = 0), id, sensor, value, sequence, level, at`

func (b *bench) handUpsert(ms []measurement) ([]bool, error) {
	c := columnsOf(ms)
	rows, err := b.pool.Query(b.ctx, upsertSQL, c.ids, c.sensors, c.values, c.sequences, c.levels, c.ats)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	inserted := make([]bool, len(ms))
	for i := 0; rows.Next(); i++ {
		m := &ms[i]
		if err := rows.Scan(&inserted[i], &m.ID, &m.Sensor, &m.Value, &m.Sequence, &m.Level, &m.At); err != nil {
			return nil, err
		}
	}
	return inserted, rows.Err()
}

// existing are measurements that the table has, in the server's words.
func existing(n int) []measurement {
	ms := newMeasurements(n)
	for i := range ms {
		ms[i].ID = int64(i + 1)
	}
	return ms
}

func BenchmarkUpsertMany1000(b *testing.B) {
	s := newBench(b)
	ours, hand := existing(1000), existing(1000)
	onKey := query.OnConflict[measurement](measurementID)
	compare(b, func() error {
		_, err := s.repo.UpsertMany(s.ctx, ours, onKey)
		return err
	}, twin{"pgx", func() error {
		_, err := s.handUpsert(hand)
		return err
	}})
}

func BenchmarkPatch(b *testing.B) {
	s := newBench(b)
	ours, hand := int64(0), int64(0)
	compare(b, func() error {
		ours = ours%20000 + 1
		return s.repo.Patch(s.ctx, ours, value.Set(float64(ours)))
	}, twin{"pgx", func() error {
		hand = hand%20000 + 1
		_, err := s.pool.Exec(s.ctx, "UPDATE measurements SET value = $1 WHERE id = $2", float64(hand), hand)
		return err
	}})
}

const updateSQL = `UPDATE measurements AS t
	SET sensor = u.sensor, value = u.value, sequence = u.sequence, level = u.level, at = u.at
	FROM unnest($1::bigint[], $2::text[], $3::float8[], $4::bigint[], $5::integer[], $6::timestamptz[])
		WITH ORDINALITY AS u(id, sensor, value, sequence, level, at, ord)
	WHERE t.id = u.id RETURNING u.ord`

// handUpdate returns which rows were written, as UpdateMany has to know too.
func (b *bench) handUpdate(ms []measurement) ([]bool, error) {
	c := columnsOf(ms)
	rows, err := b.pool.Query(b.ctx, updateSQL, c.ids, c.sensors, c.values, c.sequences, c.levels, c.ats)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	written := make([]bool, len(ms))
	var ordinal int64
	for rows.Next() {
		if err := rows.Scan(&ordinal); err != nil {
			return nil, err
		}
		written[ordinal-1] = true
	}
	return written, rows.Err()
}

func BenchmarkUpdateMany1000(b *testing.B) {
	s := newBench(b)
	ours, hand := existing(1000), existing(1000)
	compare(b, func() error {
		_, err := s.repo.UpdateMany(s.ctx, ours)
		return err
	}, twin{"pgx", func() error {
		_, err := s.handUpdate(hand)
		return err
	}})
}

func BenchmarkDelete(b *testing.B) {
	s := newBench(b)
	rows := 2 * (b.N + 2*check.AllocationRuns + 100)
	_, err := s.pool.Exec(s.ctx, insertSQL+"SELECT 'x', 1, 1, 1, now() FROM generate_series(1, $1::int)", rows)
	if err != nil {
		b.Fatal(err)
	}
	next := int64(0)
	compare(b, func() error {
		next++
		return s.repo.Delete(s.ctx, next)
	}, twin{"pgx", func() error {
		next++
		_, err := s.pool.Exec(s.ctx, "DELETE FROM measurements WHERE id = $1", next)
		return err
	}})
}
