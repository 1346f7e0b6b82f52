package soak_test

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// figures count what became of the requests.
type figures struct {
	requests  int
	orders    int // served POSTs
	rotations int // times that another key served all clients
	moved     int // served with another version than first sent
	odd       int // odd answers
	excused   [excuses]int

	failed int // without an excuse
	wrong  int // the version that the transport reported is not the one that the server saw
	lost   int // orders that were answered and not applied
	twice  int // orders that were applied more than once
	leaks  int // texts with a secret, and keys that were never issued
}

func (f *figures) add(o figures) {
	f.requests += o.requests
	f.orders += o.orders
	f.rotations += o.rotations
	f.moved += o.moved
	f.odd += o.odd
	for x, n := range o.excused {
		f.excused[x] += n
	}
	f.failed += o.failed
	f.wrong += o.wrong
	f.lost += o.lost
	f.twice += o.twice
	f.leaks += o.leaks
}

// table returns the figures of the lanes and their sum as a table.
func table(names []string, columns []figures) string {
	var sum figures
	for _, f := range columns {
		sum.add(f)
	}
	columns = append(columns[:len(columns):len(columns)], sum)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\t%s\tall\t\n", strings.Join(names, "\t"))
	row := func(name string, value func(figures) int) {
		fmt.Fprintf(w, "%s\t", name)
		for _, f := range columns {
			fmt.Fprintf(w, "%d\t", value(f))
		}
		fmt.Fprintln(w)
	}
	row("requests", func(f figures) int { return f.requests })
	row("orders", func(f figures) int { return f.orders })
	row("rotations", func(f figures) int { return f.rotations })
	row("served with another key than first sent", func(f figures) int { return f.moved })
	row("odd answers", func(f figures) int { return f.odd })
	for x := range excuse(excuses) {
		row("excused: "+x.String(), func(f figures) int { return f.excused[x] })
	}
	row("failed without an excuse", func(f figures) int { return f.failed })
	row("wrong version", func(f figures) int { return f.wrong })
	row("orders lost", func(f figures) int { return f.lost })
	row("orders applied twice", func(f figures) int { return f.twice })
	row("secrets leaked", func(f figures) int { return f.leaks })
	_ = w.Flush()
	return b.String()
}
