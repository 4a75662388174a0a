package table

import "github.com/smrt-go/smrt/internal/kept"

// reportShapes says what is kept of statements that are made once.
func (t *Table) reportShapes() kept.Report {
	s := &t.shapes
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := kept.Report{Entries: len(s.m), Capacity: maxShapes}
	for key, st := range s.m {
		r.Bytes += int64(len(key) + len(st.SQL))
	}
	return r
}

// shrinkShapes drops all statements if they are more than so many: none is used less
// than another.
func (t *Table) shrinkShapes(to int) {
	s := &t.shapes
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.m) > to {
		s.m = nil
	}
}

// reportCatalogs says what is kept of what databases say.
func (t *Table) reportCatalogs() kept.Report {
	k := &t.catalogs
	k.mu.RLock()
	defer k.mu.RUnlock()
	r := kept.Report{Entries: len(k.m), Capacity: maxCatalogs}
	for _, c := range k.m {
		r.Bytes += int64(len(c.Columns) * columnBytes)
	}
	return r
}

// columnBytes is about what is kept of a column.
const columnBytes = 256

// shrinkCatalogs drops what all databases say if they are more than so many.
func (t *Table) shrinkCatalogs(to int) {
	k := &t.catalogs
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.m) > to {
		k.m = nil
		k.drops++
	}
}

// reportConstraints says what is kept of the columns of constraints.
func (t *Table) reportConstraints() kept.Report {
	k := &t.constraints
	k.mu.Lock()
	defer k.mu.Unlock()
	r := kept.Report{Entries: len(k.m), Capacity: maxConstraints}
	for name, c := range k.m {
		r.Bytes += int64(len(name))
		for _, column := range c.columns {
			r.Bytes += int64(len(column))
		}
	}
	return r
}

// shrinkConstraints drops the columns of all constraints if they are more than so many.
func (t *Table) shrinkConstraints(to int) {
	k := &t.constraints
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.m) > to {
		k.m = nil
	}
}

// arrayTypeBytes is about what is kept of how one column travels.
const arrayTypeBytes = 192

func (a *arrayTypesKept) report() kept.Report {
	n := int(a.known.Load())
	return kept.Report{Entries: n, Capacity: maxArrayTypes, Bytes: int64(n * arrayTypeBytes)}
}

func (a *arrayTypesKept) shrink(to int) {
	if a.known.Load() > int64(to) {
		a.Clear()
		a.known.Store(0)
	}
}
