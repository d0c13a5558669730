package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/winnow-soc/winnow"
)

// Of a thousand alerts, how many come from the public data; the others are made.
const publicPerMille = 400

// alerts makes n alerts, in random order. Half of the made ones are made so that a rule is true of
// them. A field has one value: the other engines have no word for several.
func (c *corpus) alerts(n int, rules []*rule) []row {
	r := random(uint64(len(rules)) + 3)
	out := make([]row, 0, n)
	if len(c.row) > 0 {
		for range n * publicPerMille / 1000 {
			out = append(out, c.row[r.IntN(len(c.row))])
		}
	}
	for len(out) < n {
		a := madeAlert(r)
		if len(out)%2 == 0 {
			c.aim(r, &a, rules[r.IntN(len(rules))])
		}
		out = append(out, a)
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// aim gives an alert the fields that a rule asks for.
func (c *corpus) aim(r *rand.Rand, a *row, to *rule) {
	if to.search != "" {
		a.search = to.search
	}
	fields := maps.Clone(a.fields)
	fit(r, fields, to.when, c.lists)
	if to.when.eval(fields, c.lists) == yes {
		a.fields = fields
		return
	}
	maps.Copy(a.fields, to.hit)
}

// madeAlert is an alert of a network sensor, of a sign-in, or of an endpoint.
func madeAlert(r *rand.Rand) row {
	e := event{"src": address(r), "dest": hostName(r), "user": userName(r), "app": appName(r), "action": one(r, actions...)}
	a := row{search: searchName(r), fields: e}
	switch r.IntN(4) {
	case 0:
		e["signature"], e["dest_port"], e["transport"] = signature(r), one(r, "22", "53", "80", "443", "445", "8080"), one(r, "tcp", "udp")
		e["bytes"] = strconv.Itoa(r.IntN(10_000_000))
	case 1:
		e["query"] = hostName(r) + domain(r)
		e["url_domain"] = e["query"]
		e["url"] = fmt.Sprintf("https://build-%04d.corp.example/job/%d/", r.IntN(services), r.IntN(1e6))
	default:
		endpoint(r, e)
	}
	return a
}

// endpoint adds what an endpoint's event has, under the names of CIM and of Windows: a process that
// starts, or what one loads, writes or sets.
func endpoint(r *rand.Rand, e event) {
	e["process_path"], e["Computer"], e["User"] = agentPath(r), e["dest"], `CORP\`+e["user"]
	e["Image"] = one(r, e["process_path"], `C:\Windows\System32\`+one(r, parents...), `D:\Tools\`+one(r, parents...))
	switch r.IntN(4) {
	case 0:
		e["EventID"], e["ImageLoaded"] = "7", fmt.Sprintf(`%s\lib%03d.dll`, one(r, `C:\Windows\System32`, `C:\Program Files\Vendor`, `D:\Tools`), r.IntN(800))
	case 1:
		e["EventID"], e["TargetFilename"] = "11", fmt.Sprintf(`C:\Users\%s\%s\f%05d.tmp`, e["user"], one(r, `AppData\Local\Temp`, "Documents", "Downloads"), r.IntN(99_999))
		e["file_hash"] = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	case 2:
		e["EventID"], e["TargetObject"] = "13", fmt.Sprintf(`HKLM\Software\Vendor\Key%03d`, r.IntN(999))
		e["Details"] = one(r, "DWORD (0x00000001)", "Binary Data", e["process_path"])
	default:
		e["EventID"], e["parent_process_name"] = "1", one(r, parents...)
		e["process"] = fmt.Sprintf(`"%s" -k D:\jobs\job-%05d\run.ps1`, e["process_path"], r.IntN(users))
		e["ParentImage"] = one(r, `C:\Windows\System32\`, `C:\Program Files\Vendor\`, `D:\Tools\`) + e["parent_process_name"]
		e["CommandLine"], e["ParentCommandLine"] = e["process"], e["ParentImage"]+" -k netsvcs"
	}
}

// witness makes an alert that a condition is true of.
func (c *corpus) witness(r *rand.Rand, when *cond) (event, bool) {
	for range 4 {
		e := event{}
		fit(r, e, when, c.lists)
		if when.eval(e, c.lists) == yes {
			return e, true
		}
	}
	return nil, false
}

// fit changes an event so that a condition becomes true of it, where that is simple.
func fit(r *rand.Rand, e event, when *cond, lists *listSet) {
	var atoms []atom
	var absent []string
	choose(r, when, true, func(a atom, positive bool) {
		switch {
		case positive:
			atoms = append(atoms, a)
		case a.test == testHas:
			absent = append(absent, a.field)
		default:
			if _, there := e[a.field]; !there {
				e[a.field] = other(a.test)
			}
		}
	})
	for _, name := range absent {
		delete(e, name)
	}
	// What stands anywhere in a value comes first, then its ends.
	order := []string{testContains, testPrefix, testSuffix}
	slices.SortStableFunc(atoms, func(a, b atom) int { return slices.Index(order, a.test) - slices.Index(order, b.test) })
	started := map[string]bool{}
	for _, a := range atoms {
		built := ""
		if started[a.field] {
			built = e[a.field]
		}
		started[a.field] = true
		e[a.field] = a.satisfy(r, built, lists)
	}
}

// choose visits the atoms of one way to make a condition true.
func choose(r *rand.Rand, c *cond, positive bool, visit func(a atom, positive bool)) {
	switch {
	case c.op == "":
		visit(c.atom, positive)
	case c.op == "not":
		choose(r, c.kids[0], !positive, visit)
	case (c.op == "or") == positive:
		choose(r, c.kids[r.IntN(len(c.kids))], positive, visit)
	default:
		for _, k := range c.kids {
			choose(r, k, positive, visit)
		}
	}
}

func other(test string) string {
	if test == testCIDR || test == testNetworks {
		return "192.0.2.77"
	}
	return "something else"
}

// satisfy returns a value that an atom is true of, built on what other atoms made of the field.
func (a atom) satisfy(r *rand.Rand, built string, lists *listSet) string {
	switch a.test {
	case testHas:
		return built + "x"
	case testLess:
		return strconv.Itoa(int(a.num) / 2)
	case testMatches:
		return a.example
	case testList:
		return one(r, lists.byName[a.list].values...)
	case testNetworks:
		return inside(one(r, lists.byName[a.list].values...))
	}
	value := one(r, a.values...)
	switch a.test {
	case testCIDR:
		return inside(value)
	case testPrefix:
		return value + built + "7"
	case testSuffix:
		return built + "c" + value
	case testContains:
		return built + "c" + value + "7"
	}
	return value
}

func inside(network string) string {
	p := netip.MustParsePrefix(network)
	if next := p.Addr().Next(); p.Contains(next) {
		return next.String()
	}
	return p.Addr().String()
}

// sampled is how many alerts of each public file take part.
const sampled = 2000

// readAlerts reads the NDJSON files of a folder.
func readAlerts(folder string) ([]row, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("read alerts: %s holds no *.ndjson.gz", folder)
	}
	slices.Sort(files)
	var out []row
	for i, path := range files {
		rows, err := readAlertFile(path)
		if err != nil {
			return nil, fmt.Errorf("read alerts: %s: %w", path, err)
		}
		r := random(2000 + uint64(i))
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		out = append(out, rows[:min(len(rows), sampled)]...)
	}
	return out, nil
}

func readAlertFile(path string) ([]row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	zr, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var out []row
	lines := bufio.NewScanner(zr)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var head struct {
			Search string `json:"search_name"`
		}
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
			return nil, err
		}
		fields, err := winnow.Flatten(lines.Bytes())
		if err != nil {
			return nil, err
		}
		e := event{}
		for name, values := range fields {
			if name != "label" && printable(values[0]) {
				e[name] = values[0]
			}
		}
		out = append(out, row{search: head.Search, fields: e})
	}
	return out, lines.Err()
}
