package main

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// heapWatch looks at the size of the heap every now and then.
type heapWatch struct {
	base, peak uint64
	quit       chan struct{}
	done       chan struct{}
	once       sync.Once
}

// watchHeap begins to watch, with a heap just collected. End it.
func watchHeap() *heapWatch {
	runtime.GC()
	h := &heapWatch{base: heapSize(), quit: make(chan struct{}), done: make(chan struct{})}
	h.peak = h.base
	go h.watch()
	return h
}

func (h *heapWatch) watch() {
	defer close(h.done)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		h.peak = max(h.peak, heapSize())
		select {
		case <-tick.C:
		case <-h.quit:
			return
		}
	}
}

// end returns by how much the heap grew at its greatest. It may be called again.
func (h *heapWatch) end() uint64 {
	h.once.Do(func() { close(h.quit) })
	<-h.done
	return h.peak - h.base
}

// heapSize is the memory of all objects, whether in use or not yet collected. Reading it does not stop the program.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
