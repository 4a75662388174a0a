package main

import (
	"fmt"
	"strings"
	"time"
)

// How often a bar is drawn again, and a line printed where there can be no bar.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 5 * time.Second
)

// progress shows how far the load has come: as a bar on a terminal, elsewhere as a line now and then. Its report is a
// seed.Progress and is not called concurrently.
type progress struct {
	*screen
	total int // an estimate until finish
	began time.Time
	drawn time.Time
	rows  map[string]int
}

func (s *screen) newProgress(total int) *progress {
	now := time.Now()
	return &progress{screen: s, total: total, began: now, drawn: now, rows: make(map[string]int)}
}

// report notes how many rows of a table are on their way.
func (p *progress) report(table string, done, total int) {
	p.rows[table] = done
	pause := lineEvery
	if p.terminal {
		pause = barEvery
	}
	if time.Since(p.drawn) < pause && done < total {
		return
	}
	if !p.terminal && time.Since(p.drawn) < pause {
		return
	}
	p.drawn = time.Now()
	p.draw(table)
}

func (p *progress) draw(table string) {
	done := p.done()
	percent := min(100, 100*done/p.total)
	if !p.terminal {
		p.printf("    %3d %%  %11s rows\n", percent, thousands(done))
		return
	}
	const cells = 30
	full := cells * percent / 100
	bar := p.paint(green, strings.Repeat("█", full)) + p.paint(dim, strings.Repeat("░", cells-full))
	p.printf("\r\x1b[K  … load %s %3d %%  %s rows  %s", bar, percent, thousands(done), table)
}

func (p *progress) done() int {
	sum := 0
	for _, n := range p.rows {
		sum += n
	}
	return sum
}

// finish replaces the bar by what was loaded.
func (p *progress) finish() {
	took := time.Since(p.began)
	p.taskDone(fmt.Sprintf("load %s rows into %d tables and analyze them", thousands(p.done()), len(p.rows)), took)
	p.printf("    %s\n", p.paint(dim, fmt.Sprintf("%s products, %s customers, %s orders, %s order lines",
		thousands(p.rows["products"]), thousands(p.rows["customers"]),
		thousands(p.rows["orders"]), thousands(p.rows["order_items"]))))
}

// abandon leaves the line of the bar to what is printed next. It returns nil.
func (p *progress) abandon() error {
	if p.terminal {
		p.printf("\n")
	}
	return nil
}
