package repo_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/unit"
)

// ddlCall calls a method on a handle, for values of o, which it changes as it
// changes the database. It writes once, so that nothing is written if it fails.
type ddlCall func(ctx context.Context, db smrt.DB, o *owned) error

func onDevices(db smrt.DB) *repo.Repository[device, int64] { return repo.New(db, devices) }

func onRetirees(db smrt.DB) *repo.Repository[device, int64] { return repo.New(db, retirees) }

// rowCount returns err, or that another number of rows was written.
func rowCount[N int | int64](n N, err error, want int) error { return expect(int(n), err, want) }

var ddlWrites = map[string]ddlCall{
	"Create": func(ctx context.Context, db smrt.DB, o *owned) error {
		for _, v := range o.values(o.absent(1)) {
			o.keep(v)
			if err := onDevices(db).Create(ctx, &v); err != nil {
				return err
			}
		}
		return nil
	},
	"CreateMany": func(ctx context.Context, db smrt.DB, o *owned) error {
		vs := o.values(o.absent(5))
		o.keep(vs...)
		return onDevices(db).CreateMany(ctx, vs)
	},
	"Upsert": func(ctx context.Context, db smrt.DB, o *owned) error {
		v, want := o.value(o.key()), repo.Inserted
		if _, ok := o.devices[v.ID]; ok {
			want = repo.Updated
		}
		o.keep(v)
		got, err := onDevices(db).Upsert(ctx, &v, query.OnConflict(deviceID))
		return expect(got, err, want)
	},
	"UpsertMany": func(ctx context.Context, db smrt.DB, o *owned) error {
		vs := o.values(o.keys(5))
		o.keep(vs...)
		got, err := onDevices(db).UpsertMany(ctx, vs, query.OnConflict(deviceID))
		return rowCount(len(got), err, len(vs))
	},
	"Update": func(ctx context.Context, db smrt.DB, o *owned) error {
		for _, v := range o.values(o.there(1)) {
			o.keep(v)
			if err := onDevices(db).Update(ctx, &v); err != nil {
				return err
			}
		}
		return nil
	},
	"UpdateMany": func(ctx context.Context, db smrt.DB, o *owned) error {
		vs := o.values(o.there(5))
		o.keep(vs...)
		n, err := onDevices(db).UpdateMany(ctx, vs)
		return rowCount(n, err, len(vs))
	},
	"Patch": func(ctx context.Context, db smrt.DB, o *owned) error {
		for _, k := range o.there(1) {
			v, g := o.value(k), o.devices[k]
			g.At, g.Code = v.At, v.Code
			o.keep(g)
			if err := onDevices(db).Patch(ctx, k, deviceAt.Set(v.At), deviceCode.Set(v.Code)); err != nil {
				return err
			}
		}
		return nil
	},
	"UpdateWhere": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		at, changed := o.time(), o.matching(holds)
		for _, g := range changed {
			g.At = at
			o.keep(g)
		}
		n, err := onDevices(db).UpdateWhere(ctx, q, deviceAt.Set(at))
		return rowCount(n, err, len(changed))
	},
	"UpdateReturning": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		at, changed := o.time(), o.matching(holds)
		for i := range changed {
			changed[i].At = at
		}
		o.keep(changed...)
		got, err := onDevices(db).UpdateReturning(ctx, q, deviceAt.Set(at))
		return o.expectInAnyOrder(got, err, changed)
	},
	"PatchEntity": func(ctx context.Context, db smrt.DB, o *owned) error {
		for _, k := range o.there(1) {
			g := o.devices[k]
			read := device{ID: k}
			g.At, g.Code = o.time(), o.value(k).Code
			o.keep(g)
			err := onDevices(db).PatchEntity(ctx, &read, deviceAt.Set(g.At), deviceCode.Set(g.Code))
			return o.expectOne(&read, err, []device{g})
		}
		return nil
	},
	"GetOrCreate": func(ctx context.Context, db smrt.DB, o *owned) error {
		v := o.value(o.key())
		want, there := o.devices[v.ID]
		if !there {
			want = v
			o.keep(v)
		}
		created, err := onDevices(db).GetOrCreate(ctx, &v, query.OnConflict(deviceID))
		if err = expect(created, err, !there); err != nil {
			return err
		}
		return o.expectOne(&v, nil, []device{want})
	},
	"Delete softly": func(ctx context.Context, db smrt.DB, o *owned) error {
		if keys := o.there(1); len(keys) > 0 {
			k := keys[0]
			g := o.devices[k]
			err := onRetirees(db).Delete(ctx, k)
			if g.Gone != nil {
				return expectNotFound(err)
			}
			g.Gone = &justNow
			o.keep(g)
			return err
		}
		return nil
	},
	"Restore": func(ctx context.Context, db smrt.DB, o *owned) error {
		if keys := o.there(1); len(keys) > 0 {
			k := keys[0]
			g := o.devices[k]
			err := onRetirees(db).Restore(ctx, k)
			if g.Gone == nil {
				return expectNotFound(err)
			}
			g.Gone = nil
			o.keep(g)
			return err
		}
		return nil
	},
	"HardDelete": func(ctx context.Context, db smrt.DB, o *owned) error {
		for _, k := range o.there(1) {
			delete(o.devices, k)
			return onRetirees(db).HardDelete(ctx, k)
		}
		return nil
	},
	"DeleteReturning": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		gone := o.matching(func(g device) bool { return holds(g) && g.Size < 3 })
		for _, g := range gone {
			delete(o.devices, g.ID)
		}
		got, err := onDevices(db).DeleteReturning(ctx, q.Where(deviceSize.Lt(3)))
		return o.expectInAnyOrder(got, err, gone)
	},
	"Delete": func(ctx context.Context, db smrt.DB, o *owned) error {
		for _, k := range o.there(1) {
			delete(o.devices, k)
			return onDevices(db).Delete(ctx, k)
		}
		return nil
	},
	"DeleteMany": func(ctx context.Context, db smrt.DB, o *owned) error {
		keys := o.keys(2)
		before := len(o.devices)
		maps.DeleteFunc(o.devices, func(k int64, _ device) bool { return slices.Contains(keys, k) })
		n, err := onDevices(db).DeleteMany(ctx, keys)
		return rowCount(n, err, before-len(o.devices))
	},
	"DeleteWhere": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		q, less := q.Where(deviceSize.Lt(3)), func(g device) bool { return holds(g) && g.Size < 3 }
		gone := o.matching(less)
		for _, g := range gone {
			delete(o.devices, g.ID)
		}
		n, err := onDevices(db).DeleteWhere(ctx, q)
		return rowCount(n, err, len(gone))
	},
	"unit": func(ctx context.Context, db smrt.DB, o *owned) error {
		u := unit.New()
		created, updated := o.values(o.absent(3)), o.values(o.there(3))
		o.keep(created...)
		o.keep(updated...)
		unit.CreateMany(u, devices, created)
		for i := range updated {
			unit.Update(u, devices, &updated[i])
		}
		for _, k := range o.absent(1) {
			unit.Create(u, devices, new(o.value(k)))
			u.Then()
			unit.Delete(u, devices, k)
		}
		_, err := u.Flush(ctx, db)
		return err
	},
}

var ddlReads = map[string]ddlCall{
	"Get": func(ctx context.Context, db smrt.DB, o *owned) error {
		k, r := o.key(), onDevices(db)
		want := o.matching(func(g device) bool { return g.ID == k })
		if _, ok := db.(smrt.Pool); !ok {
			g, err := r.Get(ctx, k)
			return o.expectOne(g, err, want)
		}
		var errs [4]error
		var all sync.WaitGroup
		for i := range errs { // some are batched
			all.Go(func() {
				g, err := r.Get(ctx, k)
				errs[i] = o.expectOne(g, err, want)
			})
		}
		all.Wait()
		return errors.Join(errs[:]...)
	},
	"Get by text": func(ctx context.Context, db smrt.DB, o *owned) error {
		want := o.labels[o.IntN(len(o.labels))]
		got, err := repo.New(db, labels).Get(ctx, want.Code)
		return expect(got, err, &want)
	},
	"GetMany": func(ctx context.Context, db smrt.DB, o *owned) error {
		keys := o.keys(4)
		got, err := onDevices(db).GetMany(ctx, keys)
		for i, g := range got {
			k := keys[i]
			want := o.matching(func(g device) bool { return g.ID == k })
			if found := g != nil; err == nil && found != (len(want) > 0) {
				return fmt.Errorf("key %d: found %v, want %v", k, found, !found)
			} else if found {
				err = o.expectOne(g, err, want)
			}
		}
		return err
	},
	"GetMany by text": func(ctx context.Context, db smrt.DB, o *owned) error {
		got, err := repo.New(db, labels).GetMany(ctx, []string{o.labels[1].Code, o.labels[0].Code})
		return expect(got, err, []*label{&o.labels[1], &o.labels[0]})
	},
	"Find": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		loads := [][]preload.Load[device]{nil, {withLabel}, {joinLabel}}[o.IntN(3)]
		got, err := onDevices(db).Find(ctx, q.OrderBy(deviceID.Asc()), loads...)
		return o.expectDevices(got, err, o.matching(holds), loads != nil)
	},
	"First": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		got, err := onDevices(db).First(ctx, q)
		return o.expectOne(got, err, o.matching(holds))
	},
	"One": func(ctx context.Context, db smrt.DB, o *owned) error {
		k := o.key()
		got, err := onDevices(db).One(ctx, query.Where(deviceID.Eq(k)))
		return o.expectOne(got, err, o.matching(func(g device) bool { return g.ID == k }))
	},
	"Page": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		q, want := q.OrderBy(deviceAt.Asc()), o.matching(holds)
		slices.SortStableFunc(want, func(a, b device) int { return a.At.Compare(b.At) })
		got, err := onDevices(db).Page(ctx, q, query.Page{Size: 4})
		if err != nil {
			return err
		}
		return o.expectDevices(got.Items, nil, want[:min(4, len(want))], false)
	},
	"PageNumber": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		want := o.matching(holds)
		got, err := onDevices(db).PageNumber(ctx, q, 1, 5)
		if err == nil {
			err = errors.Join(rowCount(got.Total, nil, len(want)), o.expectDevices(got.Items, nil, want[:min(5, len(want))], false))
		}
		return err
	},
	"Count": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		n, err := onDevices(db).Count(ctx, q)
		return rowCount(n, err, len(o.matching(holds)))
	},
	"Exists": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		ok, err := onDevices(db).Exists(ctx, q)
		return expect(ok, err, len(o.matching(holds)) > 0)
	},
	"Aggregate": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		var want sql.Null[int64]
		var latest time.Time
		for _, g := range o.matching(holds) {
			want = sql.Null[int64]{V: want.V + g.Size, Valid: true}
			latest = later(latest, g.At)
		}
		got, err := repo.Aggregate(ctx, onDevices(db), query.Sum[int64](deviceSize), q)
		if err = expect(got, err, want); err != nil || !want.Valid {
			return err
		}
		at, err := repo.Aggregate(ctx, onDevices(db), query.Max(deviceAt), q)
		return expect(at.V.UTC(), err, latest)
	},
	"GroupBy": func(ctx context.Context, db smrt.DB, o *owned) error {
		type count struct {
			State temper
			Count int64
		}
		q, holds := o.where()
		var want []count
		for _, state := range []temper{"calm", "wild"} {
			n := len(o.matching(func(g device) bool { return holds(g) && g.State == state }))
			if n > 0 {
				want = append(want, count{state, int64(n)})
			}
		}
		got, err := repo.GroupBy(ctx, onDevices(db), q, query.All[query.Groups[device]](),
			query.Into(query.By(deviceState), func(c *count) *temper { return &c.State }),
			query.Into(query.Count[device](), func(c *count) *int64 { return &c.Count }))
		slices.SortFunc(got, func(a, b count) int { return cmp.Compare(a.State, b.State) }) // enums have an order of their own
		return expect(len(got), errors.Join(err, expect(fmt.Sprint(got), err, fmt.Sprint(want))), len(want))
	},
	"Stream": func(ctx context.Context, db smrt.DB, o *owned) error {
		q, holds := o.where()
		var got []device
		for g, err := range onDevices(db).Stream(ctx, q.OrderBy(deviceID.Asc())) {
			if err != nil {
				return err
			}
			got = append(got, g)
		}
		return o.expectDevices(got, nil, o.matching(holds), false)
	},
	"load": func(ctx context.Context, db smrt.DB, o *owned) error {
		got, err := devicesOf.OrderBy(deviceID.Asc()).Load(ctx, db, o.labels)
		for i := range got {
			err = o.expectDevices(got[i], err, o.matching(func(g device) bool { return g.Code == o.labels[i].Code }), false)
		}
		return err
	},
	"LockMany": func(ctx context.Context, db smrt.DB, o *owned) error {
		if _, ok := db.(smrt.Pool); ok {
			return nil
		}
		keys := o.there(3)
		got, err := onDevices(db).LockMany(ctx, keys)
		for i, g := range got {
			k := keys[i]
			err = o.expectOne(g, err, o.matching(func(g device) bool { return g.ID == k }))
		}
		return err
	},
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
