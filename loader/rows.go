package loader

// Index returns a map of rows by key, for a [Func] whose keys have one row each:
//
//	rows, err := products.GetMany(ctx, ids)
//	return loader.Index(rows, products.Key), err
//
// It skips nil pointers.
func Index[K comparable, V any](rows []*V, key func(*V) K) map[K]*V {
	byKey := make(map[K]*V, len(rows))
	for _, row := range rows {
		if row != nil {
			byKey[key(row)] = row
		}
	}
	return byKey
}

// Group returns a map of the rows of each key, for a [Func] whose keys have any
// number of rows. The rows of a key keep their order:
//
//	rows, err := items.Find(ctx, query.Where(OrderID.In(ids...)).OrderBy(ItemID.Asc()))
//	return loader.Group(rows, func(i *Item) int64 { return i.OrderID }), err
//
// A key without rows has no entry; see ZeroIfMissing of [Options].
func Group[K comparable, V any](rows []V, key func(*V) K) map[K][]V {
	byKey := map[K][]V{}
	for i := range rows {
		k := key(&rows[i])
		byKey[k] = append(byKey[k], rows[i])
	}
	return byKey
}
