package repo_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// A device lies in a table whose columns have other types all the time. It has
// the label with its code. Through retirees, it may be deleted softly.
type (
	device struct {
		ID    int64
		Code  string
		Size  int64
		At    time.Time
		State temper
		Doc   json.RawMessage
		Gone  *time.Time
		Label *label `db:"-"`
	}
	label struct {
		Code string
		N    int64
	}
	temper string
)

var (
	devices = query.NewTable("devices", func(g *device) *int64 { return &g.ID })
	labels  = query.NewTable("labels", func(l *label) *string { return &l.Code })

	retirees = query.NewTable("devices", func(g *device) *int64 { return &g.ID }, query.SoftDelete(func(g *device) **time.Time { return &g.Gone }))

	deviceID    = query.Col(func(g *device) *int64 { return &g.ID })
	deviceCode  = query.TextCol(func(g *device) *string { return &g.Code })
	deviceSize  = query.Col(func(g *device) *int64 { return &g.Size })
	deviceAt    = query.Col(func(g *device) *time.Time { return &g.At })
	deviceState = query.Col(func(g *device) *temper { return &g.State })

	labelOf   = preload.BelongsTo(devices, labels, func(g *device) *string { return &g.Code })
	devicesOf = preload.HasMany(labels, devices, func(g *device) *string { return &g.Code })
	withLabel = preload.One(labelOf, func(g *device) **label { return &g.Label })
	joinLabel = preload.One(labelOf.Joined(), func(g *device) **label { return &g.Label })
)

// owned is what one goroutine has written: its devices, whose keys follow base,
// and its labels, which are there from the start.
type owned struct {
	*rand.Rand
	base    int64
	devices map[int64]device
	labels  []label
}

func (o *owned) clone() *owned {
	c := *o
	c.devices = maps.Clone(o.devices)
	return &c
}

const ownedKeys = 40

func (o *owned) key() int64 { return o.base + o.Int64N(ownedKeys) }

// keys are some keys, each once.
func (o *owned) keys(n int) []int64 {
	var keys []int64
	for range n {
		if k := o.key(); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// value is a device with a key and random values.
func (o *owned) value(id int64) device {
	return device{
		ID: id, Code: o.labels[o.IntN(len(o.labels))].Code, Size: o.Int64N(20), At: o.time(), State: []temper{"calm", "wild"}[o.IntN(2)],
		Doc: json.RawMessage(fmt.Sprintf(`{"a": %d}`, o.IntN(9))), Gone: []*time.Time{nil, new(o.time())}[o.IntN(2)],
	}
}

// justNow stands for the time at which the server deleted a device softly.
var justNow = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func (o *owned) time() time.Time {
	return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(o.IntN(100)) * time.Hour)
}

// there and absent are some keys with a device, and some without.
func (o *owned) there(n int) []int64 {
	return slices.DeleteFunc(o.keys(n), func(k int64) bool { _, ok := o.devices[k]; return !ok })
}

func (o *owned) absent(n int) []int64 {
	return slices.DeleteFunc(o.keys(n), func(k int64) bool { _, ok := o.devices[k]; return ok })
}

func (o *owned) values(keys []int64) []device {
	vs := make([]device, len(keys))
	for i, k := range keys {
		vs[i] = o.value(k)
	}
	return vs
}

func (o *owned) keep(vs ...device) {
	for _, v := range vs {
		v.Label = nil
		o.devices[v.ID] = v
	}
}

// where is a random condition on the own devices, in SQL and in Go.
func (o *owned) where() (query.Query[device], func(device) bool) {
	own := query.Where(deviceID.Between(o.base, o.base+ownedKeys))
	v := o.value(0)
	switch o.IntN(6) {
	case 0:
		return own.Where(deviceAt.Ge(v.At)), func(g device) bool { return !g.At.Before(v.At) }
	case 1:
		return own.Where(deviceAt.In(v.At, v.At.Add(time.Hour))), func(g device) bool { return g.At.Equal(v.At) || g.At.Equal(v.At.Add(time.Hour)) }
	case 2:
		return own.Where(deviceCode.Eq(v.Code)), func(g device) bool { return g.Code == v.Code }
	case 3:
		return own.Where(deviceCode.In(v.Code, o.labels[0].Code)), func(g device) bool { return g.Code == v.Code || g.Code == o.labels[0].Code }
	case 4:
		return own.Where(deviceState.Eq(v.State)), func(g device) bool { return g.State == v.State }
	}
	return own.Where(deviceSize.Lt(v.Size)), func(g device) bool { return g.Size < v.Size }
}

// matching are the own devices for which a condition holds, by key.
func (o *owned) matching(holds func(device) bool) []device {
	var found []device
	for _, g := range o.devices {
		if holds(g) {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, func(a, b device) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// expect returns an error unless a call without an error returned what it should.
func expect[V any](got V, err error, want V) error {
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("got %+v, want %+v", got, want)
	}
	return err
}

// expectDevices is expect for devices, whose labels must be those of their codes
// if they are loaded.
func (o *owned) expectDevices(got []device, err error, want []device, loaded bool) error {
	plain := make([]device, 0, len(got))
	for _, g := range got {
		if err == nil && loaded {
			err = expect(g.Label, nil, o.labelOf(g))
		}
		g.Label, g.At = nil, g.At.UTC()
		if g.Gone != nil {
			gone := g.Gone.UTC()
			// In a timestamp it is what the session's clock shows, 9 hours ahead.
			now := time.Now()
			if gone.Sub(now).Abs() < time.Hour || gone.Sub(now.Add(9*time.Hour)).Abs() < time.Hour {
				gone = justNow
			}
			g.Gone = &gone
		}
		plain = append(plain, g)
	}
	for i := range min(len(plain), len(want)) {
		err = expect(plain[i], err, want[i])
	}
	return expect(len(plain), err, len(want))
}

// expectInAnyOrder is expectDevices for devices in no order.
func (o *owned) expectInAnyOrder(got []device, err error, want []device) error {
	slices.SortFunc(got, func(a, b device) int { return cmp.Compare(a.ID, b.ID) })
	return o.expectDevices(got, err, want, false)
}

// expectNotFound returns an error unless a call found nothing.
func expectNotFound(err error) error {
	switch {
	case errors.Is(err, smrt.ErrNotFound):
		return nil
	case err == nil:
		return errors.New("found what is not there")
	}
	return err
}

// String prints a device in a line.
func (d device) String() string {
	gone := "there"
	if d.Gone != nil {
		gone = d.Gone.Format(time.RFC3339)
	}
	return fmt.Sprintf("%d %s %d %s %s %s %s", d.ID, d.Code, d.Size, d.At.Format("02T15:04Z07"), d.State, d.Doc, gone)
}

func (o *owned) labelOf(g device) *label {
	i := slices.IndexFunc(o.labels, func(l label) bool { return l.Code == g.Code })
	return &o.labels[i]
}

// expectOne is expectDevices for the call of a method that returns one of want.
func (o *owned) expectOne(got *device, err error, want []device) error {
	switch {
	case len(want) == 0 && errors.Is(err, smrt.ErrNotFound):
		return nil
	case err != nil:
		return err
	case len(want) == 0:
		return fmt.Errorf("got %+v, want nothing", *got)
	}
	return o.expectDevices([]device{*got}, nil, want[:1], false)
}
