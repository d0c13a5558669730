// Command bench measures winnow's rule sets against a plain loop over expr programs, against a loop
// over cel-go programs, and against OPA: the same rules and the same alerts, in one run, and it
// fails where any two find different rules for an alert. `make bench-rules` runs it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes, as those of winnow.
const (
	exitFine   = 0
	exitMissed = 1 // a goal was missed
	exitUsage  = 2
	exitBroken = 3 // engines differ, or the measurement could not be made
)

// options are what the command line says.
type options struct {
	shared, out, profile string
	sizes                []int
	engines              map[string]bool
	alerts               int
	box                  time.Duration
	report               bool
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "bench-rules:", err)
		return exitUsage
	}
	missed, err := bench(o, stdout, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "bench-rules:", err)
		return exitBroken
	}
	if missed && !o.report {
		return exitMissed
	}
	return exitFine
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{engines: map[string]bool{}}
	f := flag.NewFlagSet("bench-rules", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.shared, "data", "", "folder of the public data; without it, made-up rules and alerts only")
	f.StringVar(&o.out, "out", "", "file for the figures as JSON")
	f.StringVar(&o.profile, "profile", "", "file for a processor profile at the last size")
	f.IntVar(&o.alerts, "alerts", 10_000, "number of alerts")
	f.BoolVar(&o.report, "report", false, "print a goal that was missed, and exit with 0 all the same")
	f.DurationVar(&o.box, "box", 8*time.Second, "processor time of each engine at each size")
	sizes := f.String("sizes", "100,1000,10000,100000", "numbers of rules")
	engines := f.String("engines", "", "names of engines; all when empty")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("--sizes %q: want numbers above 0 with commas between", *sizes)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.alerts < 1 || f.NArg() > 0 {
		return o, fmt.Errorf("want --alerts above 0 and no other arguments, got %d and %q", o.alerts, f.Args())
	}
	return o, o.choose(*engines)
}

// choose keeps the engines that are asked for, all when none is named.
func (o *options) choose(names string) error {
	for _, k := range kinds {
		o.engines[k.name] = names == ""
	}
	if names == "" {
		return nil
	}
	for name := range strings.SplitSeq(names, ",") {
		if _, known := o.engines[name]; !known {
			return fmt.Errorf("--engines: unknown engine %q", name)
		}
		o.engines[name] = true
	}
	return nil
}

// bench measures every size and prints the table. missed says that a goal was.
func bench(o options, stdout, stderr io.Writer) (missed bool, err error) {
	// One core: what the garbage collector does is done on it too, and counts for who made it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	folder, err := os.MkdirTemp("", "winnow-bench-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // a temporary folder
	c, err := readCorpus(o.shared)
	if err != nil {
		return false, err
	}
	lists, err := readLists(c.lists, filepath.Join(folder, "lists"))
	if err != nil {
		return false, err
	}
	var sizes [][]result
	var all []line
	for _, n := range o.sizes {
		w := &world{rules: c.rules(n), lists: c.lists, winnow: lists, folder: filepath.Join(folder, strconv.Itoa(n))}
		results, err := benchSize(o, w, c.alerts(o.alerts, w.rules), stderr)
		if err != nil {
			return false, err
		}
		sizes, all = append(sizes, results), append(all, lines(results)...)
	}
	preamble(stdout, o, c)
	table(stdout, sizes)
	missed = verdict(stdout, all)
	if o.out == "" {
		return missed, nil
	}
	return missed, writeJSON(o.out, all)
}

func benchSize(o options, w *world, alerts []row, stderr io.Writer) ([]result, error) {
	n := len(w.rules)
	if err := writeRules(w.folder, w.rules); err != nil {
		return nil, err
	}
	var asked []kind
	for _, k := range kinds {
		if o.engines[k.name] {
			asked = append(asked, k)
		}
	}
	say := func(what string) { _, _ = fmt.Fprintf(stderr, "%d rules: %s\n", n, what) }
	results, err := o.measure(asked, w, alerts, say)
	if err != nil {
		return nil, fmt.Errorf("%d rules: %w", n, err)
	}
	debug.FreeOSMemory()
	return results, compare(w, alerts, results)
}

// measure writes a profile of the last size when one is asked for.
func (o options) measure(kinds []kind, w *world, alerts []row, say func(string)) ([]result, error) {
	if o.profile == "" || len(w.rules) != o.sizes[len(o.sizes)-1] {
		return measure(kinds, w, alerts, o.box, say)
	}
	f, err := os.Create(o.profile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // the profile is for the one who asked for it
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	defer pprof.StopCPUProfile()
	return measure(kinds, w, alerts, o.box, say)
}
